import assert from "node:assert/strict";
import { test } from "node:test";
import { murmurHash2 } from "./murmurhash2.ts";
import { Word64 } from "./word64.ts";

const hash = (text: string): bigint =>
  BigInt(`0x${murmurHash2(new Word64(), Buffer.from(text)).hex}`);

test("the values of libstdc++'s std::hash<std::string>", () => {
  assert.equal(hash(""), 6142509188972423790n);
  assert.equal(hash("a"), 4993892634952068459n);
  assert.equal(hash("foo"), 9631199822919835226n);
  assert.equal(hash("bar"), 11474628671133349555n);
  assert.equal(hash("foo\nbar"), 16306510975912980159n);
});

test("what lies behind the length does not count, and the seed does", () => {
  const bytes = Buffer.from("foobar, and more than a block");
  assert.equal(murmurHash2(new Word64(), bytes, 3).hex, hash("foo").toString(16));
  assert.notEqual(
    murmurHash2(new Word64(), bytes, 20, 1).hex,
    murmurHash2(new Word64(), bytes, 20, 2).hex,
  );
});

/** The same in arithmetic that cannot overflow. */
function reference(bytes: Uint8Array, seed: bigint): bigint {
  const mask = (1n << 64n) - 1n;
  const multiplier = 0xc6a4a7935bd1e995n;
  const times = (a: bigint): bigint => (a * multiplier) & mask;
  const mixed = (a: bigint): bigint => a ^ (a >> 47n);
  const number = (part: Uint8Array): bigint =>
    part.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let value = seed ^ times(BigInt(bytes.length));
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8)
    value = times(value ^ times(mixed(times(number(bytes.subarray(at, at + 8))))));
  if (at < bytes.length) value = times(value ^ number(bytes.subarray(at)));
  return mixed(times(mixed(value)));
}

test("every length, against plain arithmetic", () => {
  const bytes = Uint8Array.from({ length: 70 }, (_, index) => (index * 151 + 200) & 255);
  for (let length = 0; length <= bytes.length; length++) {
    const expected = reference(bytes.subarray(0, length), 0xc70f6907n);
    const found = murmurHash2(new Word64(), bytes, length).hex;
    assert.equal(found, expected.toString(16).padStart(16, "0"), `${length}`);
  }
});
