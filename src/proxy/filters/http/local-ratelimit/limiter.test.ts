import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../../../../testkit/fake-clock.ts";
import { fakeServices } from "../../../../../testkit/fake-services.ts";
import { openBucketCells, SharedSlots } from "../../../shared-slots.ts";
import { type Descriptor, type Limiter, RecentBuckets } from "./limiter.ts";
import { planLimiter } from "./make-limiter.ts";
import { SharedBuckets } from "./shared-buckets.ts";

const bucket = (maxTokens: number, tokensPerFill = 1) => ({
  maxTokens,
  tokensPerFill,
  fillInterval: "1s",
});
const asked = (key: string, value: string, cost = 1): Descriptor => ({
  entries: [{ key, value }],
  cost,
});
const allowed = (limiter: Limiter, ...descriptors: Descriptor[]): boolean =>
  limiter.decide(descriptors).allowed;

describe("Limiter", () => {
  it("asks the strictest first, and what refuses takes nothing from the others", () => {
    const limiter = planLimiter({
      tokenBucket: bucket(1),
      descriptors: [
        { entries: [{ key: "a", value: "fast" }], tokenBucket: bucket(1, 10) },
        { entries: [{ key: "a", value: "slow" }], tokenBucket: bucket(0) },
      ],
    }).own(fakeServices());
    assert.equal(allowed(limiter, asked("a", "fast"), asked("a", "slow")), false);
    assert.equal(allowed(limiter, asked("a", "fast")), true);
    assert.equal(allowed(limiter, asked("a", "fast")), false);
  });

  it("names the bucket that decided", () => {
    const limiter = planLimiter({
      tokenBucket: bucket(2),
      descriptors: [{ entries: [{ key: "a", value: "b" }], tokenBucket: bucket(3) }],
    }).own(fakeServices());
    assert.equal(limiter.decide([asked("a", "b")]).bucket?.tokensMax, 3);
    assert.equal(limiter.decide([]).bucket?.tokensMax, 2);
    // The default bucket is empty, and refuses what the descriptor lets through.
    const refused = limiter.decide([asked("a", "b")]);
    assert.deepEqual([refused.allowed, refused.bucket?.tokensMax], [false, 2]);
  });

  it("does not take one descriptor for another that is written alike", () => {
    const limiter = planLimiter({
      tokenBucket: bucket(9),
      descriptors: [
        {
          entries: [
            { key: "a", value: "b" },
            { key: "c", value: "d" },
          ],
          tokenBucket: bucket(0),
        },
      ],
    }).own(fakeServices());
    assert.equal(allowed(limiter, asked("a", "bcd")), true);
    assert.equal(allowed(limiter, asked("ab", "cd")), true);
  });

  it("is one for all workers, bucket by bucket", () => {
    const config = {
      tokenBucket: bucket(9),
      descriptors: [
        { entries: [{ key: "a", value: "1" }], tokenBucket: bucket(1) },
        { entries: [{ key: "a", value: "2" }], tokenBucket: bucket(1) },
      ],
    };
    const buffer = new SharedArrayBuffer(3 * 8);
    const clock = new FakeClock();
    const [one, other] = [0, 1].map(() =>
      planLimiter(config).shared({
        ...fakeServices({ clock }),
        sharedSlots: new SharedSlots(buffer),
      }),
    );
    assert.ok(one !== undefined && other !== undefined);
    assert.equal(allowed(one, asked("a", "1")), true);
    assert.equal(allowed(other, asked("a", "1")), false);
    assert.equal(allowed(other, asked("a", "2")), true);
    assert.equal(allowed(one, asked("a", "2")), false);
  });
});

describe("open descriptors", () => {
  const config = {
    tokenBucket: bucket(99),
    maxDynamicDescriptors: 2,
    descriptors: [{ entries: [{ key: "user", value: "" }], tokenBucket: bucket(1) }],
  };
  const typedConfig = { "@type": "type.googleapis.com/limit", ...config };

  /** Two workers as a bootstrap makes them. */
  function workers(): readonly [Limiter, Limiter] {
    const buffer = SharedSlots.allocate([{ listenerFilters: [{ typedConfig }] }]);
    const clock = new FakeClock();
    const worker = (): Limiter =>
      planLimiter(config).shared({
        ...fakeServices({ clock }),
        sharedSlots: new SharedSlots(buffer),
      });
    return [worker(), worker()];
  }

  it("have buckets that all workers share", () => {
    const [one, other] = workers();
    assert.equal(allowed(one, asked("user", "a")), true);
    assert.equal(allowed(other, asked("user", "a")), false);
    assert.equal(allowed(other, asked("user", "b")), true);
    assert.equal(allowed(one, asked("user", "b")), false);
  });

  it("forget the least recently used, whichever worker used it", () => {
    const [one, other] = workers();
    assert.equal(allowed(one, asked("user", "a")), true);
    assert.equal(allowed(one, asked("user", "b")), true);
    assert.equal(allowed(other, asked("user", "a")), false);
    assert.equal(allowed(one, asked("user", "c")), true);
    assert.equal(allowed(one, asked("user", "a")), false);
    assert.equal(allowed(other, asked("user", "b")), true);
  });
});

describe("SharedBuckets", () => {
  it("holds as many keys as it may, give or take the sets that are full", () => {
    const max = 200;
    const buckets = new SharedBuckets({
      clock: new FakeClock(),
      cells: new BigInt64Array(openBucketCells(max)),
      max,
      bucket: { tokensMax: 1, tokensPerFill: 1, fillIntervalMs: 1000 },
      secret: new Uint8Array(32),
    });
    const take = (key: number): boolean => buckets.of(`user\0${key}\0`).bucket.take();
    const first = Array.from({ length: 100 }, (_, key) => take(key));
    assert.ok(first.every(Boolean));
    // Half full, hardly a set of 28 had to give a place up.
    const again = Array.from({ length: 100 }, (_, key) => take(key)).filter(Boolean).length;
    assert.ok(again < 10, `${again} forgotten`);
  });
});

describe("RecentBuckets", () => {
  it("forgets the least recently used", () => {
    let made = 0;
    const buckets = new RecentBuckets(2, () => {
      made += 1;
      return {
        bucket: {
          tokensMax: made,
          available: 0,
          take: () => true,
          takeUpTo: () => 0,
          msUntil: () => 0,
        },
        rate: 1,
      };
    });
    const of = (key: string): number => buckets.of(key).bucket.tokensMax;
    assert.deepEqual([of("a"), of("b"), of("a"), of("c"), of("a"), of("b")], [1, 2, 1, 3, 1, 4]);
    assert.deepEqual([of("b"), of("a"), of("b")], [4, 1, 4]);
  });
});
