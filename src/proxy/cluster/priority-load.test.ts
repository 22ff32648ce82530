import assert from "node:assert/strict";
import { test } from "node:test";
import { host } from "../../../testkit/hosts.ts";
import type { HostSet } from "../balancer/balancer.ts";
import { priorityLoads } from "./priority-load.ts";

function set(
  priority: number,
  counts: { healthy?: number; degraded?: number; bad?: number },
): HostSet {
  const { healthy = 0, degraded = 0, bad = 0 } = counts;
  const make = (count: number): ReturnType<typeof host>[] =>
    Array.from({ length: count }, (_, index) => host(index, { priority }));
  const up = make(healthy);
  const half = make(degraded);
  return {
    priority,
    hosts: [...up, ...half, ...make(bad)],
    healthy: up,
    degraded: half,
    excluded: 0,
    localities: [],
  };
}

const loads = (sets: readonly HostSet[], panicThreshold = 50, overprovisioning = 140): unknown =>
  priorityLoads(sets, { overprovisioning, panicThreshold }).map(
    ({ healthy, degraded, panic }) => `${healthy}/${degraded}${panic ? " panic" : ""}`,
  );

test("all healthy: everything goes to the first priority", () => {
  assert.deepEqual(loads([set(0, { healthy: 2 }), set(1, { healthy: 2 })]), ["100/0", "0/0"]);
});

test("over-provisioning: 72 % healthy is enough", () => {
  assert.deepEqual(loads([set(0, { healthy: 72, bad: 28 }), set(1, { healthy: 1 })]), [
    "100/0",
    "0/0",
  ]);
  assert.deepEqual(loads([set(0, { healthy: 71, bad: 29 }), set(1, { healthy: 1 })]), [
    "99/0",
    "1/0",
  ]);
});

test("half of the first priority healthy is 70/30", () => {
  assert.deepEqual(loads([set(0, { healthy: 1, bad: 1 }), set(1, { healthy: 2 })]), [
    "70/0",
    "30/0",
  ]);
});

test("degraded hosts take what no healthy host can", () => {
  assert.deepEqual(loads([set(0, { healthy: 1, degraded: 1 })]), ["70/30"]);
  assert.deepEqual(loads([set(0, { healthy: 1, degraded: 1 }), set(1, { healthy: 1, bad: 3 })]), [
    "70/0",
    "30/0",
  ]);
});

test("too little in all: shares are scaled up and the poorest priorities panic", () => {
  assert.deepEqual(loads([set(0, { healthy: 1, bad: 4 }), set(1, { healthy: 2, bad: 3 })]), [
    "34/0 panic",
    "66/0 panic",
  ]);
});

test("no priority panics while all together suffice", () => {
  assert.deepEqual(loads([set(0, { healthy: 1, bad: 9 }), set(1, { healthy: 9 })]), [
    "14/0",
    "86/0",
  ]);
});

test("nobody healthy: hosts share by number, in panic", () => {
  assert.deepEqual(loads([set(0, { bad: 1 }), set(1, { bad: 3 })]), ["25/0 panic", "75/0 panic"]);
});

test("a panic threshold of 0 turns panic off", () => {
  assert.deepEqual(loads([set(0, { bad: 2 })], 0), ["100/0"]);
});

test("rounding is whole percent, and the rest goes to the first that has any", () => {
  assert.deepEqual(
    loads(
      [
        set(0, { bad: 1 }),
        set(1, { healthy: 1, bad: 6 }),
        set(2, { healthy: 1, bad: 6 }),
        set(3, { healthy: 1, bad: 6 }),
      ],
      0,
    ),
    ["0/0", "34/0", "33/0", "33/0"],
  );
});

test("without hosts the first priority has everything", () => {
  assert.deepEqual(loads([set(0, {})]), ["100/0 panic"]);
});
