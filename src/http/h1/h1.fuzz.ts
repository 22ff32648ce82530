import { it } from "node:test";
import { fuzzRequests, fuzzResponses } from "../../../testkit/http1/fuzzing.ts";

const inputs = 10_000;

it("hostile requests: split-invariant, within limits, and llhttp frames what is forwarded as we do", () =>
  fuzzRequests({ inputs }));

it("hostile responses: split-invariant and never a throw", () => fuzzResponses({ inputs }));
