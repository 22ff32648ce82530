import { Word64 } from "./word64.ts";

const multiplier = { high: 0xc6a4a793, low: 0x5bd1e995 } as const;

// Scratch, of use only within one call.
const block = new Word64();

/** MurmurHash64A as libstdc++'s std::hash has it, into `into`. */
export function murmurHash2(
  into: Word64,
  bytes: Uint8Array,
  length: number = bytes.length,
  seed: number = standardSeed,
): Word64 {
  block.set(0, length).multiply(multiplier.high, multiplier.low);
  into.set(0, seed).xor(block.high, block.low);
  const aligned = length - (length % 8);
  for (let at = 0; at < aligned; at += 8) {
    block
      .set(littleEndian(bytes, at + 4, at + 8), littleEndian(bytes, at, at + 4))
      .multiply(multiplier.high, multiplier.low)
      .xorShiftRight(47)
      .multiply(multiplier.high, multiplier.low);
    into.xor(block.high, block.low).multiply(multiplier.high, multiplier.low);
  }
  if (aligned < length) {
    const high = littleEndian(bytes, aligned + 4, length);
    into.xor(high, littleEndian(bytes, aligned, Math.min(aligned + 4, length)));
    into.multiply(multiplier.high, multiplier.low);
  }
  return into.xorShiftRight(47).multiply(multiplier.high, multiplier.low).xorShiftRight(47);
}

/** What std::hash begins with. */
const standardSeed = 0xc70f6907;

function littleEndian(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = to - 1; at >= from; at--) value = (value << 8) | (bytes[at] as number);
  return value;
}
