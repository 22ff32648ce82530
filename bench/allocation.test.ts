import assert from "node:assert/strict";
import { test } from "node:test";
import { allocationOf, readCollections } from "./allocation.ts";

const trace = `listening
[4711:0x55e1c00]      120 ms: Scavenge 10.0 (20.0) -> 4.0 (21.0) MB, pooled: 0.0 MB, 1.25 / 0.00 ms  (average mu = 1.000, current mu = 1.000) task;
[4711:0x7f00a00]      130 ms: Scavenge 3.0 (8.0) -> 2.0 (8.0) MB, pooled: 0.0 MB, 0.50 / 0.00 ms  (average mu = 1.000) allocation failure;
[4711:0x55e1c00]      620 ms: Scavenge 12.0 (21.0) -> 4.5 (21.0) MB, pooled: 0.0 MB, 0.75 / 0.00 ms  (average mu = 1.000) allocation failure;
[4711:0x55e1c00]     1120 ms: Mark-Compact (reduce) 12.5 (21.0) -> 4.0 (21.0) MB, pooled: 0.0 MB, 3.00 / 0.00 ms  (average mu = 0.9) task;
`;

test("lines of --trace-gc are read among other output", () => {
  const collections = readCollections(trace);
  assert.equal(collections.length, 4);
  assert.deepEqual(collections[2], {
    isolate: "0x55e1c00",
    atMs: 620,
    beforeMb: 12,
    afterMb: 4.5,
    pauseMs: 0.75,
  });
});

test("allocation is what each collection finds beyond what the one before left, in each heap", () => {
  const { bytesPerSecond, collectionsPerSecond, pauseMsMax } = allocationOf(readCollections(trace));
  assert.equal(bytesPerSecond, 16 * 2 ** 20);
  assert.equal(collectionsPerSecond, 2);
  assert.equal(pauseMsMax, 3);
});

test("one collection alone says nothing about a rate", () => {
  assert.equal(allocationOf(readCollections(trace).slice(1, 2)).bytesPerSecond, 0);
});
