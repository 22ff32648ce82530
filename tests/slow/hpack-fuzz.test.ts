/** The inputs whose first five thousand every run of the fuzz suite sees. */
import { it } from "node:test";
import { fuzzDecoder, fuzzRoundTrip } from "../../testkit/http2/hpack-fuzzing.ts";

const inputs = 100_000;

it("a hundred thousand connections encoded and decoded", () => fuzzRoundTrip({ inputs }));

it("a hundred thousand connections with spoilt blocks", () => fuzzDecoder({ inputs }));
