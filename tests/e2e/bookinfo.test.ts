import { bookinfoCases } from "./bookinfo-cases.ts";

bookinfoCases("heddle");
