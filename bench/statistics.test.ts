import assert from "node:assert/strict";
import { test } from "node:test";
import { median, summarize } from "./statistics.ts";

test("the median of an odd number of values is the one in the middle, whatever their order", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 9, 100]), 10);
});

test("the median of an even number of values is the mean of the two in the middle", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test("the median of nothing is not a number", () => {
  assert.ok(Number.isNaN(median([])));
});

test("a summary keeps the extremes", () => {
  assert.deepEqual(summarize([3, 1, 2]), { median: 2, min: 1, max: 3 });
});
