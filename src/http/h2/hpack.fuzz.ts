import { it } from "node:test";
import { fuzzDecoder, fuzzRoundTrip } from "../../../testkit/http2/hpack-fuzzing.ts";

const inputs = 5_000;

it("what the encoder writes is read back, through tables of any size", () =>
  fuzzRoundTrip({ inputs }));

it("spoilt blocks: never a throw, and the same fields and end as by the plainest decoder", () =>
  fuzzDecoder({ inputs }));
