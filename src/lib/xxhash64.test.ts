import assert from "node:assert/strict";
import { test } from "node:test";
import { Word64 } from "./word64.ts";
import { xxHash64, xxHash64Seeded } from "./xxhash64.ts";

const hash = (text: string): string => xxHash64(new Word64(), Buffer.from(text)).hex;

test("texts of every part of the algorithm", () => {
  // From the tests of xxHash's ports (Go, Rust, Java), and the last from the reference implementation's.
  assert.equal(hash(""), "ef46db3751d8e999");
  assert.equal(hash("a"), "d24ec4f1a98c6e5b");
  assert.equal(hash("as"), "1c330fb2d66be179");
  assert.equal(hash("asd"), "631c37ce72a97393");
  assert.equal(hash("asdf"), "415872f599cea71e");
  assert.equal(hash("abc"), "44bc2cf5ad770999");
  assert.equal(hash("foo"), "33bf00a859c4ba3f");
  assert.equal(
    hash("Call me Ishmael. Some years ago--never mind how long precisely-"),
    "02a2e85470d6fd96",
  );
  assert.equal(hash("Nobody inspects the spammish repetition"), "fbcea83c8a378bf1");
});

/** The reference implementation's check: bytes of a generator, at lengths on both sides of each boundary. */
test("the reference implementation's vectors, with and without seed", () => {
  const bytes = new Uint8Array(222);
  let generator = 2_654_435_761n;
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number(generator >> 56n);
    generator = (generator * 11_400_714_785_074_694_797n) & 0xffff_ffff_ffff_ffffn;
  }
  const vectors: readonly (readonly [length: number, unseeded: string, seeded: string])[] = [
    [0, "ef46db3751d8e999", "ac75fda2929b17ef"],
    [1, "e934a84adb052768", "5014607643a9b4c3"],
    [4, "9136a0dca57457ee", "caab286bd8e9fdb5"],
    [14, "8282dcc4994e35c8", "c3bd6bf63deb6df0"],
    [222, "b641ae8cb691c174", "20cb8ab7ae10c14a"],
  ];
  for (const [length, unseeded, seeded] of vectors) {
    assert.equal(xxHash64(new Word64(), bytes, length).hex, unseeded, `${length}`);
    const seed = new Word64().set(0, 2_654_435_761);
    assert.equal(xxHash64Seeded(seed, bytes, length).hex, seeded, `${length} seeded`);
  }
});

test("what lies behind the length does not count", () => {
  const bytes = Buffer.from("foobar");
  assert.equal(xxHash64(new Word64(), bytes, 3).hex, hash("foo"));
});

test("a seed has 64 bits", () => {
  const one = xxHash64Seeded(new Word64().set(1, 7), Buffer.from("x".repeat(40))).hex;
  const two = xxHash64Seeded(new Word64().set(0, 7), Buffer.from("x".repeat(40))).hex;
  assert.notEqual(one, two);
});
