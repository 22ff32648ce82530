import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Timer } from "#lib/timers.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { ScaledTimers } from "./scaled-timers.ts";

class Noted extends Timer {
  fired = false;

  onTimer(): void {
    this.fired = true;
  }
}

function setup(): { clock: FakeClock; timers: ScaledTimers; arm(): Noted } {
  const clock = new FakeClock();
  const timers = new ScaledTimers(clock, () => 100);
  const arm = (): Noted => {
    const timer = new Noted();
    timers.of(1000)?.arm(timer);
    return timer;
  };
  return { clock, timers, arm };
}

describe("scaled timers", () => {
  it("that run get shorter, and longer again", () => {
    const { clock, timers, arm } = setup();
    const timer = arm();
    timers.level = 0.5;
    clock.advance(549);
    assert.equal(timer.fired, false);
    timers.level = 0;
    clock.advance(450);
    assert.equal(timer.fired, false);
    clock.advance(1);
    assert.equal(timer.fired, true);
  });

  it("that are over their new time fire at once", () => {
    const { clock, timers, arm } = setup();
    const timer = arm();
    clock.advance(300);
    timers.level = 1;
    clock.advance(1);
    assert.equal(timer.fired, true);
  });

  it("hold for lists that are made later, and for lists that were empty", () => {
    const { clock, timers, arm } = setup();
    arm().cancel();
    timers.level = 1;
    const [first, second] = [arm(), new Noted()];
    timers.of(2000)?.arm(second);
    clock.advance(100);
    assert.deepEqual([first.fired, second.fired], [true, true]);
    assert.equal(clock.waiting, 0);
  });
});
