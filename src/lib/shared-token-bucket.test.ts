import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { SharedTokenBucket } from "./shared-token-bucket.ts";

const options = { tokensMax: 3, tokensPerFill: 2, fillIntervalMs: 1000 };

function setup(): { clock: FakeClock; first: SharedTokenBucket; second: SharedTokenBucket } {
  const clock = new FakeClock();
  const cell = new BigInt64Array(new SharedArrayBuffer(8));
  const bucket = (): SharedTokenBucket => new SharedTokenBucket(clock, { ...options, cell });
  return { clock, first: bucket(), second: bucket() };
}

describe("SharedTokenBucket", () => {
  it("is full at first; what one takes is gone for the other", () => {
    const { first, second } = setup();
    assert.deepEqual(
      [first.take(), second.take(), first.take(), second.take(), first.take()],
      [true, true, true, false, false],
    );
  });

  it("takes all or nothing", () => {
    const { first, second } = setup();
    assert.equal(first.take(4), false);
    assert.equal(second.take(2), true);
    assert.equal(first.take(2), false);
    assert.equal(first.take(), true);
  });

  it("fills steadily, within an interval too", () => {
    const { clock, first, second } = setup();
    first.take(3);
    clock.advance(499);
    assert.equal(second.take(), false);
    clock.advance(1);
    assert.equal(second.take(), true);
    assert.equal(first.take(), false);
  });

  it("never holds more than its maximum", () => {
    const { clock, first } = setup();
    first.take();
    clock.advance(1_000_000_000);
    assert.equal(first.take(3), true);
    assert.equal(first.take(), false);
  });

  it("loses nothing to many small steps", () => {
    const { clock, first } = setup();
    first.take(3);
    let taken = 0;
    for (let step = 0; step < 10_000; step++) {
      clock.advance(1);
      if (first.take()) taken += 1;
    }
    assert.equal(taken, 20);
  });

  it("takes what is there, whole tokens only", () => {
    const { clock, first, second } = setup();
    assert.equal(first.takeUpTo(2), 2);
    assert.equal(second.takeUpTo(2), 1);
    assert.equal(first.takeUpTo(2), 0);
    clock.advance(750);
    assert.equal(first.takeUpTo(2), 1);
    clock.advance(250);
    assert.equal(second.takeUpTo(2), 1);
  });

  it("says what is there, and when more will be", () => {
    const { clock, first, second } = setup();
    assert.deepEqual([first.available, first.msUntil(3)], [3, 0]);
    second.take(3);
    assert.deepEqual([first.available, first.msUntil(), first.msUntil(3)], [0, 500, 1500]);
    clock.advance(700);
    assert.deepEqual([first.available, first.msUntil(2)], [1, 300]);
    assert.equal(first.msUntil(4), Number.POSITIVE_INFINITY);
  });

  it("may begin with less than it holds, whoever makes it first", () => {
    const clock = new FakeClock();
    const cell = new BigInt64Array(new SharedArrayBuffer(8));
    const bucket = (): SharedTokenBucket =>
      new SharedTokenBucket(clock, { ...options, tokensAtStart: 1, cell });
    const first = bucket();
    clock.advance(500);
    const second = bucket();
    assert.deepEqual([first.available, second.available], [2, 2]);
    clock.advance(10_000);
    assert.equal(second.takeUpTo(9), 3);
  });
});
