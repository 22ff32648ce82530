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
const idBytes = 16;
const idLength = 36;
const digits = Buffer.from("0123456789abcdef", "latin1");
/** `latin1Slice` is what `toString("latin1")` comes down to, without its argument checks; the type definitions leave it out. */
type Latin1Buffer = Buffer & { latin1Slice(start: number, end: number): string };

/**
 * Random bytes are drawn for many ids at once and spelled into one buffer: a draw per id is the largest cost of an id, and an id put together
 * from pieces leaves each of them to the collector.
 */
function makeUuidSource(): () => string {
  const bytes = Buffer.allocUnsafeSlow(idsPerDraw * idBytes);
  const text = Buffer.allocUnsafeSlow(idsPerDraw * idLength) as Latin1Buffer;
  let at = text.length;
  return () => {
    if (at >= text.length) {
      randomFillSync(bytes);
      spellIds(bytes, text);
      at = 0;
    }
    const id = text.latin1Slice(at, at + idLength);
    at += idLength;
    return id;
  };
}

/** RFC 9562 §4: groups of 8, 4, 4, 4 and 12 digits. */
function spellIds(bytes: Uint8Array, text: Uint8Array): void {
  let at = 0;
  for (let i = 0; i < bytes.length; i++) {
    const octet = i % idBytes;
    if (octet === 4 || octet === 6 || octet === 8 || octet === 10) text[at++] = 0x2d;
    let byte = bytes[i] as number;
    // RFC 9562 §5.4: version 4 in the high nibble of octet 6, variant 10 in the high bits of octet 8.
    if (octet === 6) byte = (byte & 0x0f) | 0x40;
    else if (octet === 8) byte = (byte & 0x3f) | 0x80;
    text[at++] = digits[byte >> 4] as number;
    text[at++] = digits[byte & 15] as number;
  }
}

export const systemRandom: Random = {
  unit: Math.random,
  below: (bound) => Math.floor(Math.random() * bound),
  uuid: makeUuidSource(),
};
