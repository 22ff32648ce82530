import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { type Buckets, countsBelow, difference, quantile, quantiles } from "./histogram.ts";
import { bucketBounds, bucketCount, bucketOf } from "./histogram-buckets.ts";

function bucketsOf(values: readonly number[]): Buckets {
  const counts = new Map<number, number>();
  for (const value of values) {
    const bucket = bucketOf(value);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

test("every bucket begins where the one before it ends, and holds its own lower bound", () => {
  for (let bucket = 1; bucket < bucketCount; bucket++) {
    const { lower, width } = bucketBounds(bucket);
    assert.equal(bucketOf(lower), bucket);
    if (bucket + 1 < bucketCount) {
      assert.ok(Math.abs(lower + width - bucketBounds(bucket + 1).lower) < width * 1e-9);
    }
  }
});

test("zero has a bucket of its own, and what is too large falls into the last", () => {
  assert.deepEqual(bucketBounds(bucketOf(0)), { lower: 0, width: 0 });
  assert.equal(bucketOf(1e15), bucketCount - 1);
  assert.equal(bucketOf(9_999_999_999), bucketCount - 1);
});

// Envoy 1.40's /stats for the same values.
for (const [values, percent, expected] of [
  [[0, 0, 0, 0, 0, 1], 75, 0],
  [[0, 0, 0, 0, 0, 1], 90, 1.05],
  [[0, 0, 0, 0, 0, 1], 100, 1.05],
  [[9, 9, 10], 0, 9.033333333333333],
  [[9, 9, 10], 50, 9.066666666666666],
  [[9, 9, 10], 75, 10.5],
  [[185, 190, 220], 25, 185],
] as const) {
  test(`P${percent} of ${values.join(" ")} is Envoy's`, () => {
    assert.ok(Math.abs(quantile(bucketsOf(values), percent) - expected) < 1e-12);
  });
}

test("quantiles are within a bucket, at most a tenth, of the exact ones", () => {
  const random = seededRandom(7);
  for (const count of [1, 2, 10, 999, 20_000]) {
    const values = Array.from({ length: count }, () => Math.floor(10 ** (random.unit() * 6)));
    const sorted = [...values].sort((a, b) => a - b);
    const buckets = bucketsOf(values);
    for (const percent of quantiles) {
      const exact = sorted[Math.max(1, Math.ceil((percent / 100) * count)) - 1] ?? 0;
      const error = Math.abs(quantile(buckets, percent) - exact) / exact;
      assert.ok(
        error <= 0.1,
        `P${percent} of ${count}: ${quantile(buckets, percent)}, not ${exact}`,
      );
    }
  }
});

test("no values have no quantile", () => {
  assert.ok(Number.isNaN(quantile([], 50)));
});

test("counts below bounds are cumulative, and what no bound covers is left to +Inf", () => {
  const buckets = bucketsOf([0, 0, 1, 1, 5, 30, 5000]);
  assert.deepEqual(countsBelow(buckets, [0.5, 1, 5, 10, 100]), [2, 4, 5, 5, 6]);
});

test("the difference of two states is what came between them", () => {
  const before = bucketsOf([1, 1, 30]);
  const now = bucketsOf([1, 1, 1, 30, 400]);
  assert.deepEqual(difference(now, before), bucketsOf([1, 400]));
});
