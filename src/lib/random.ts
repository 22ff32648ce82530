import { randomFillSync } from "node:crypto";

/** Randomness, as an argument, so that a test can seed it. */
export interface Random {
  /** In [0, 1). For load balancing and jitter, never for secrets. */
  unit(): number;
  /** A whole number in [0, bound). */
  below(bound: number): number;
  /** A version 4 UUID. */
  uuid(): string;
}

const idsPerDraw = 256;

/** Many ids' worth of random bytes are drawn and hex-encoded at once, then sliced: a draw per id is the largest cost of an id. */
function makeUuidSource(): () => string {
  const pool = Buffer.allocUnsafeSlow(idsPerDraw * 16);
  let hex = "";
  let at = pool.length * 2;
  return () => {
    if (at >= pool.length * 2) {
      randomFillSync(pool);
      hex = pool.toString("hex");
      at = 0;
    }
    const start = at;
    at += 32;
    // RFC 9562 §5.4: version 4 in the high nibble of octet 6, variant 10 in the high bits of octet 8.
    const variant = "89ab"[hex.charCodeAt(start + 16) & 3];
    return `${hex.slice(start, start + 8)}-${hex.slice(start + 8, start + 12)}-4${hex.slice(start + 13, start + 16)}-${variant}${hex.slice(start + 17, start + 20)}-${hex.slice(start + 20, start + 32)}`;
  };
}

export const systemRandom: Random = {
  unit: Math.random,
  below: (bound) => Math.floor(Math.random() * bound),
  uuid: makeUuidSource(),
};
