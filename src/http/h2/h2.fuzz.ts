import { it } from "node:test";
import { fuzzClient, fuzzServer } from "../../../testkit/http2/fuzzing.ts";

const inputs = 10_000;

it("hostile clients: split-invariant, within limits, and nothing is left behind", () =>
  fuzzServer({ inputs }));

it("hostile servers: split-invariant, and each request is over once", () => fuzzClient({ inputs }));
