import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyRuntime } from "../../../testkit/picker-suite.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { firstCheckMs, nextCheckMs, type Schedule } from "./schedule.ts";

const schedule: Schedule = {
  intervalMs: 1,
  healthyEdgeIntervalMs: 2,
  unhealthyIntervalMs: 3,
  unhealthyEdgeIntervalMs: 4,
  noTrafficIntervalMs: 5,
  noTrafficHealthyIntervalMs: 6,
  initialJitterMs: 0,
  jitterMs: 0,
  jitterPercent: 0,
};
const chance = { random: seededRandom(1), runtime: emptyRuntime };

test("each end of a check has its interval", () => {
  const next = (passed: boolean, pending: boolean, traffic: boolean): number =>
    nextCheckMs(schedule, { passed, pending, traffic }, chance);
  assert.deepEqual(
    [next(true, false, true), next(true, true, true), next(false, false, true)],
    [1, 2, 3],
  );
  assert.equal(next(false, true, true), 4);
  assert.deepEqual([next(true, false, false), next(true, true, false)], [6, 5]);
  assert.deepEqual([next(false, false, false), next(false, true, false)], [5, 5]);
});

test("jitter adds less than it says, of the interval and of a time", () => {
  const jittered = { ...schedule, intervalMs: 1000, jitterMs: 100, jitterPercent: 10 };
  const end = { passed: true, pending: false, traffic: true };
  const waits = Array.from({ length: 500 }, () => nextCheckMs(jittered, end, chance));
  assert.ok(Math.min(...waits) >= 1000);
  assert.ok(Math.max(...waits) < 1200);
  assert.ok(new Set(waits).size > 50);
});

test("the first check waits for nothing but its jitter", () => {
  assert.equal(firstCheckMs(schedule, chance), undefined);
  const wait = firstCheckMs({ ...schedule, initialJitterMs: 50 }, chance) ?? 0;
  assert.ok(wait >= 1 && wait < 50);
});

test("runtime bounds every wait", () => {
  const end = { passed: true, pending: false, traffic: true };
  const bounded = (key: string, value: number): number =>
    nextCheckMs({ ...schedule, intervalMs: 100 }, end, {
      ...chance,
      runtime: {
        ...emptyRuntime,
        number: (name, absent) => (name === `health_check.${key}` ? value : absent),
      },
    });
  assert.equal(bounded("min_interval", 500), 500);
  assert.equal(bounded("max_interval", 50), 50);
  assert.equal(bounded("max_interval", 0), 1);
});
