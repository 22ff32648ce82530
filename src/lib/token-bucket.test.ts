import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { TokenBucket } from "./token-bucket.ts";

const options = { tokensMax: 3, tokensPerFill: 2, fillIntervalMs: 1000 };

function setup(): { clock: FakeClock; bucket: TokenBucket } {
  const clock = new FakeClock();
  return { clock, bucket: new TokenBucket(clock, options) };
}

describe("TokenBucket", () => {
  it("is full at first, and empty when all is taken", () => {
    const { bucket } = setup();
    assert.deepEqual(
      [bucket.take(), bucket.take(), bucket.take(), bucket.take()],
      [true, true, true, false],
    );
    assert.equal(bucket.available, 0);
  });

  it("fills steadily, within an interval too", () => {
    const { clock, bucket } = setup();
    bucket.take(3);
    clock.advance(499);
    assert.equal(bucket.take(), false);
    clock.advance(1);
    assert.equal(bucket.take(), true);
    assert.equal(bucket.take(), false);
  });

  it("never holds more than its maximum", () => {
    const { clock, bucket } = setup();
    bucket.take();
    clock.advance(1_000_000);
    assert.equal(bucket.available, 3);
    bucket.take(3);
    assert.equal(bucket.take(), false);
  });

  it("takes all or nothing", () => {
    const { bucket } = setup();
    assert.equal(bucket.take(4), false);
    assert.equal(bucket.available, 3);
    assert.equal(bucket.take(3), true);
  });

  it("takes what is there, whole tokens only", () => {
    const { clock, bucket } = setup();
    assert.equal(bucket.takeUpTo(2), 2);
    assert.equal(bucket.takeUpTo(2), 1);
    assert.equal(bucket.takeUpTo(2), 0);
    clock.advance(750);
    assert.equal(bucket.takeUpTo(2), 1);
    clock.advance(250);
    assert.equal(bucket.takeUpTo(2), 1);
  });

  it("may begin with less than it holds", () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket(clock, { ...options, tokensAtStart: 1 });
    assert.equal(bucket.available, 1);
    clock.advance(10_000);
    assert.equal(bucket.available, 3);
  });

  it("says when tokens will be there", () => {
    const { clock, bucket } = setup();
    assert.equal(bucket.msUntil(3), 0);
    bucket.take(3);
    assert.equal(bucket.msUntil(), 500);
    assert.equal(bucket.msUntil(3), 1500);
    clock.advance(200);
    assert.equal(bucket.msUntil(), 300);
    assert.equal(bucket.msUntil(4), Number.POSITIVE_INFINITY);
  });

  it("loses nothing to many small steps", () => {
    const { clock, bucket } = setup();
    bucket.take(3);
    let taken = 0;
    for (let step = 0; step < 10_000; step++) {
      clock.advance(1);
      if (bucket.take()) taken += 1;
    }
    // 10 s at 2 a second; the last may be a rounding error away.
    assert.ok(taken === 20 || taken === 19, `${taken} tokens`);
  });
});
