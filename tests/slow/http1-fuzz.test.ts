/** A million inputs: the fixed half million of requests and of responses whose first ten thousand every run sees. */
import { it } from "node:test";
import { fuzzRequests, fuzzResponses } from "../../testkit/http1/fuzzing.ts";

const inputs = 500_000;

it("half a million hostile requests", () => fuzzRequests({ inputs }));

it("half a million hostile responses", () => fuzzResponses({ inputs }));
