import assert from "node:assert/strict";
import { it } from "node:test";
import { ConnectionCounts } from "./connection-counts.ts";

it("counts of one memory are the same, and never over their limit", () => {
  const memory = ConnectionCounts.allocate(2);
  const here = new ConnectionCounts(memory).listener(1);
  const there = new ConnectionCounts(memory).listener(1);
  assert.deepEqual([here.addWithin(2), there.addWithin(2), here.addWithin(2)], [true, true, false]);
  there.subtract();
  assert.equal(here.value, 1);
  assert.equal(here.addWithin(Number.POSITIVE_INFINITY), true);
  assert.deepEqual([new ConnectionCounts(memory).listener(0).value, there.value], [0, 2]);
});
