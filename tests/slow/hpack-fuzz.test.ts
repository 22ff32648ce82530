/** The inputs whose first five thousand every run of the fuzz suite sees. */
import { it } from "node:test";
import { fuzzDecoder, fuzzRoundTrip } from "../../testkit/http2/hpack-fuzzing.ts";

const inputs = 250_000;

it("a quarter million connections encoded and decoded", () => fuzzRoundTrip({ inputs }));

it("a quarter million connections with spoilt blocks", () => fuzzDecoder({ inputs }));
