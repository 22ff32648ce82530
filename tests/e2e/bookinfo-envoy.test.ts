import { envoyPath } from "../../testkit/envoy-binary.ts";
import { bookinfoCases } from "./bookinfo-cases.ts";

bookinfoCases("envoy", "--proxy", envoyPath());
