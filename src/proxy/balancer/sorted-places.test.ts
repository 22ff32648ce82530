import assert from "node:assert/strict";
import { test } from "node:test";
import { Word64 } from "#lib/word64.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { SortedPlaces } from "./sorted-places.ts";

const words = (hash: bigint): readonly [high: number, low: number] => [
  Number(hash >> 32n),
  Number(hash & 0xffffffffn),
];

const placesOf = (hashes: readonly bigint[]): SortedPlaces =>
  new SortedPlaces({
    highs: Uint32Array.from(hashes, (hash) => words(hash)[0]),
    lows: Uint32Array.from(hashes, (hash) => words(hash)[1]),
    owners: Uint32Array.from(hashes, (_, index) => index),
  });

/** Every place and its neighbours, and the ends. */
function agrees(hashes: readonly bigint[]): void {
  const places = placesOf(hashes);
  const sorted = hashes.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const max = (1n << 64n) - 1n;
  const wanted = [0n, max, ...hashes.flatMap((hash) => [hash, hash - 1n, hash + 1n])];
  assert.equal(places.count, hashes.length);
  for (const hash of wanted.filter((it) => it >= 0n && it <= max)) {
    const expected = sorted.findIndex((it) => it >= hash);
    const found = places.find(new Word64().set(...words(hash)));
    assert.equal(found, expected < 0 ? hashes.length : expected, `${hash}`);
    if (found < hashes.length) assert.equal(hashes[places.owner(found)], sorted[found]);
  }
}

test("places drawn at random, in rings of many sizes", () => {
  const random = seededRandom(7);
  const draw = (): bigint => (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
  for (const count of [1, 2, 3, 5, 17, 100, 500]) agrees(Array.from({ length: count }, draw));
});

test("places that are not spread evenly", () => {
  agrees([0n]);
  agrees([(1n << 64n) - 1n]);
  agrees([5n, 4n, 3n, 2n, 1n, 0n]);
  agrees(Array.from({ length: 50 }, (_, i) => (1n << 63n) + BigInt((i * 37) % 50)));
  agrees(Array.from({ length: 50 }, (_, i) => BigInt(i % 3) << 32n));
});

test("equal hashes keep the order in which they were told", () => {
  const places = placesOf([9n, 7n, 9n, 7n, 9n]);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((place) => places.owner(place)),
    [1, 3, 0, 2, 4],
  );
});
