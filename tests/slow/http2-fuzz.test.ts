/** The inputs whose first ten thousand every run of the fuzz suite sees. */
import { it } from "node:test";
import { fuzzClient, fuzzServer } from "../../testkit/http2/fuzzing.ts";

const inputs = 500_000;

it("half a million hostile clients", () => fuzzServer({ inputs }));

it("half a million hostile servers", () => fuzzClient({ inputs }));
