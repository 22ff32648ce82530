import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../testkit/seeded-random.ts";
import { Word64 } from "./word64.ts";

const mask = (1n << 64n) - 1n;
const random = seededRandom(64);
const edges = [0n, 1n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 32n, 1n << 63n, mask];

/** Edges and what lies anywhere. */
function numbers(): bigint[] {
  const drawn = Array.from(
    { length: 200 },
    () => (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32)),
  );
  return [...edges, ...drawn];
}

const word = (number: bigint): Word64 =>
  new Word64().set(Number(number >> 32n), Number(number & 0xffffffffn));
const value = ({ hex }: Word64): bigint => BigInt(`0x${hex}`);
const rotated = (number: bigint, bits: number): bigint =>
  ((number << BigInt(bits)) | (number >> BigInt(64 - bits))) & mask;

test("arithmetic is that of 64-bit numbers", () => {
  for (const a of numbers()) {
    for (const b of [...edges, (BigInt(random.below(2 ** 32)) << 32n) | 0x9e3779b1n]) {
      const { high, low } = word(b);
      const text = `${a} and ${b}`;
      assert.equal(value(word(a).add(high, low)), (a + b) & mask, text);
      assert.equal(value(word(a).multiply(high, low)), (a * b) & mask, text);
      assert.equal(value(word(a).xor(high, low)), a ^ b, text);
    }
  }
});

test("halves may be given signed or unsigned", () => {
  assert.equal(value(word(1n).add(0xffffffff, 0xffffffff)), 0n);
  assert.equal(value(word(1n).add(-1, -1)), 0n);
  assert.equal(value(word(3n).multiply(0xffffffff, 0xffffffff)), mask - 2n);
});

test("rotations and shifts", () => {
  for (const number of numbers()) {
    for (const bits of [1, 7, 12, 18, 27, 31])
      assert.equal(value(word(number).rotateLeft(bits)), rotated(number, bits));
    for (const bits of [1, 29, 32, 33, 47, 63])
      assert.equal(value(word(number).xorShiftRight(bits)), number ^ (number >> BigInt(bits)));
  }
});

test("modulo is exact up to the largest divisor", () => {
  for (const number of numbers())
    for (const divisor of [1, 2, 100, 65_537, 5_000_011, 0xfffffffb, 2 ** 32])
      assert.equal(BigInt(word(number).modulo(divisor)), number % BigInt(divisor));
});

test("hexadecimal has all its zeros", () => {
  assert.equal(word(0x1002n).hex, "0000000000001002");
});
