import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../../../testkit/fake-clock.ts";
import { fakeServices } from "../../../../../testkit/fake-services.ts";
import { seededRandom } from "../../../../../testkit/seeded-random.ts";
import { GradientController, type GradientSettings } from "./gradient-controller.ts";

interface Rig {
  readonly clock: FakeClock;
  readonly controller: GradientController;
  /** One request that takes so long. */
  take(milliseconds: number): void;
}

function rig(more: Partial<GradientSettings> = {}): Rig {
  const clock = new FakeClock();
  const { stats } = fakeServices({ clock });
  const controller = new GradientController({
    clock,
    random: seededRandom(1),
    concurrencyMin: 2,
    concurrencyMax: 100,
    updateIntervalMs: 100,
    minRttIntervalMs: 10_000,
    minRttJitter: 0,
    minRttRequests: 1,
    minRttBuffer: 0.25,
    percentile: 50,
    stats: {
      blocked: stats.counter("blocked"),
      limit: stats.gauge("limit"),
      measuring: stats.gauge("measuring"),
      burstQueue: stats.gauge("burst"),
      minRttMs: stats.gauge("min"),
      sampleRttMs: stats.gauge("sample"),
      gradient: stats.gauge("gradient"),
    },
    ...more,
  });
  return {
    clock,
    controller,
    take(milliseconds) {
      assert.ok(controller.tryBegin());
      const beganMs = clock.monotonicMs();
      clock.advance(milliseconds);
      controller.complete(beganMs);
    },
  };
}

test("so many and no more are under way", () => {
  const { controller } = rig();
  assert.deepEqual(
    [1, 2, 3].map(() => controller.tryBegin()),
    [true, true, false],
  );
  controller.cancel();
  assert.equal(controller.tryBegin(), true);
});

test("the limit doubles with fast answers and halves with slow ones, each with its burst", () => {
  const { clock, controller, take } = rig();
  take(50);
  assert.deepEqual([controller.isMeasuring, controller.limit], [false, 2]);
  const limits: number[] = [];
  for (const milliseconds of [10, 10, 10, 10, 10, 90, 90, 90, 90]) {
    take(milliseconds);
    clock.advance(100);
    limits.push(controller.limit);
  }
  // 2·2+√4 = 6, 6·2+√12 = 15, …, at most 100.
  assert.deepEqual(limits.slice(0, 5), [6, 15, 35, 78, 100]);
  // Buckets have two digits and count as their middle: 50.5 ms and a quarter against 90.5, 100·0.7+√70 = 78, …
  assert.deepEqual(limits.slice(5), [78, 61, 49, 40]);
});

test("a window without samples changes nothing, and nobody waits for it", () => {
  const { clock, controller, take } = rig();
  take(50);
  const waiting = clock.waiting;
  clock.advance(5000);
  assert.deepEqual([controller.limit, clock.waiting], [2, waiting]);
});

test("the minimum is measured again after its interval, by requests that begin then", () => {
  const { clock, controller, take } = rig();
  take(50);
  take(10);
  clock.advance(100);
  assert.equal(controller.limit, 6);
  assert.ok(controller.tryBegin());
  const early = clock.monotonicMs();
  clock.advance(10_000);
  assert.deepEqual([controller.isMeasuring, controller.limit], [true, 2]);
  controller.complete(early);
  assert.equal(controller.isMeasuring, true);
  take(20);
  assert.deepEqual([controller.isMeasuring, controller.limit], [false, 6]);
});

test("five intervals at the lowest limit have the minimum measured again", () => {
  const { clock, controller, take } = rig({ concurrencyMin: 3, concurrencyMax: 3 });
  take(10);
  for (let i = 0; i < 4; i++) {
    take(90);
    clock.advance(100);
  }
  assert.equal(controller.isMeasuring, false);
  take(90);
  clock.advance(100);
  assert.equal(controller.isMeasuring, true);
});

test("the interval of the minimum has jitter", () => {
  const { clock, controller, take } = rig({ minRttJitter: 0.5 });
  take(50);
  clock.advance(9_999);
  assert.equal(controller.isMeasuring, false);
  clock.advance(5_001);
  assert.equal(controller.isMeasuring, true);
});

test("answers that take no time are fast", () => {
  const { clock, controller, take } = rig();
  take(50);
  take(0);
  clock.advance(100);
  assert.equal(controller.limit, 6);
});
