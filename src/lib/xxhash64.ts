import { Word64 } from "./word64.ts";

/** The primes of the specification (XXH64), in halves. */
const p1 = { high: 0x9e3779b1, low: 0x85ebca87 } as const;
const p2 = { high: 0xc2b2ae3d, low: 0x27d4eb4f } as const;
const p3 = { high: 0x165667b1, low: 0x9e3779f9 } as const;
const p4 = { high: 0x85ebca77, low: 0xc2b2ae63 } as const;
const p5 = { high: 0x27d4eb2f, low: 0x165667c5 } as const;

const stripeBytes = 32;

// Scratch, of use only within one call.
const lanes = [new Word64(), new Word64(), new Word64(), new Word64()] as const;
const lane = new Word64();

/** XXH64 of the first `length` bytes, into `into`. */
export function xxHash64(into: Word64, bytes: Uint8Array, length: number = bytes.length): Word64 {
  return xxHash64Seeded(into.set(0, 0), bytes, length);
}

/** The same with a seed, in whose place the hash is put. */
export function xxHash64Seeded(
  into: Word64,
  bytes: Uint8Array,
  length: number = bytes.length,
): Word64 {
  let at = 0;
  if (length >= stripeBytes) {
    at = consumeStripes(into, bytes, length);
    mergeLanes(into);
  } else into.add(p5.high, p5.low);
  into.add(0, length);
  consumeTail(into, bytes, at, length);
  return into
    .xorShiftRight(33)
    .multiply(p2.high, p2.low)
    .xorShiftRight(29)
    .multiply(p3.high, p3.low)
    .xorShiftRight(32);
}

/** Whole stripes; returns where they end. */
function consumeStripes(seed: Word64, bytes: Uint8Array, length: number): number {
  const [first, second, third, fourth] = lanes;
  first.copy(seed).add(p1.high, p1.low).add(p2.high, p2.low);
  second.copy(seed).add(p2.high, p2.low);
  third.copy(seed);
  // Less p1 is plus its complement plus one.
  fourth.copy(seed).add(~p1.high, ~p1.low).add(0, 1);
  let at = 0;
  for (; at + stripeBytes <= length; at += stripeBytes) {
    round(first, word(bytes, at + 4), word(bytes, at));
    round(second, word(bytes, at + 12), word(bytes, at + 8));
    round(third, word(bytes, at + 20), word(bytes, at + 16));
    round(fourth, word(bytes, at + 28), word(bytes, at + 24));
  }
  return at;
}

function round(accumulator: Word64, high: number, low: number): void {
  lane.set(high, low).multiply(p2.high, p2.low);
  accumulator.add(lane.high, lane.low).rotateLeft(31).multiply(p1.high, p1.low);
}

const laneRotations = [1, 7, 12, 18] as const;

function mergeLanes(into: Word64): void {
  into.set(0, 0);
  for (let i = 0; i < 4; i++) {
    lane.copy(lanes[i] as Word64).rotateLeft(laneRotations[i] as number);
    into.add(lane.high, lane.low);
  }
  for (let i = 0; i < 4; i++) {
    lane.copy(lanes[i] as Word64);
    lane.multiply(p2.high, p2.low).rotateLeft(31).multiply(p1.high, p1.low);
    into.xor(lane.high, lane.low).multiply(p1.high, p1.low).add(p4.high, p4.low);
  }
}

function consumeTail(into: Word64, bytes: Uint8Array, start: number, length: number): void {
  let at = start;
  for (; at + 8 <= length; at += 8) {
    lane.set(word(bytes, at + 4), word(bytes, at));
    lane.multiply(p2.high, p2.low).rotateLeft(31).multiply(p1.high, p1.low);
    into.xor(lane.high, lane.low).rotateLeft(27).multiply(p1.high, p1.low).add(p4.high, p4.low);
  }
  if (at + 4 <= length) {
    lane.set(0, word(bytes, at)).multiply(p1.high, p1.low);
    into.xor(lane.high, lane.low).rotateLeft(23).multiply(p2.high, p2.low).add(p3.high, p3.low);
    at += 4;
  }
  for (; at < length; at++) {
    lane.set(0, bytes[at] as number).multiply(p5.high, p5.low);
    into.xor(lane.high, lane.low).rotateLeft(11).multiply(p1.high, p1.low);
  }
}

/** Four bytes, little-endian. */
function word(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}
