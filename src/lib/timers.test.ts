import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { Timer, Timers } from "./timers.ts";

class Named extends Timer {
  readonly #fired: string[];
  readonly #name: string;
  afterwards: (() => void) | undefined;

  constructor(fired: string[], name: string) {
    super();
    this.#fired = fired;
    this.#name = name;
  }

  onTimer(): void {
    this.#fired.push(this.#name);
    this.afterwards?.();
  }
}

function setup(): {
  clock: FakeClock;
  timers: Timers;
  fired: string[];
  timer(name: string): Named;
} {
  const clock = new FakeClock();
  const fired: string[] = [];
  return { clock, timers: new Timers(clock), fired, timer: (name) => new Named(fired, name) };
}

describe("timers", () => {
  it("fire after their duration, in the order they were armed", () => {
    const { clock, timers, fired, timer } = setup();
    const list = timers.of(100);
    list?.arm(timer("a"));
    clock.advance(40);
    list?.arm(timer("b"));
    clock.advance(59);
    assert.deepEqual(fired, []);
    clock.advance(1);
    assert.deepEqual(fired, ["a"]);
    clock.advance(40);
    assert.deepEqual(fired, ["a", "b"]);
    assert.equal(clock.waiting, 0, "an empty list keeps no timer of the runtime");
  });

  it("begin anew when armed again", () => {
    const { clock, timers, fired, timer } = setup();
    const list = timers.of(100);
    const a = timer("a");
    list?.arm(a);
    list?.arm(timer("b"));
    clock.advance(90);
    list?.arm(a);
    clock.advance(10);
    assert.deepEqual(fired, ["b"]);
    clock.advance(90);
    assert.deepEqual(fired, ["b", "a"]);
    assert.equal(a.armed, false);
  });

  it("do not fire when cancelled: first, middle, last, or twice", () => {
    const { clock, timers, fired, timer } = setup();
    const all = ["a", "b", "c", "d"].map(timer);
    for (const each of all) timers.of(100)?.arm(each);
    for (const index of [0, 2, 3, 3]) all[index]?.cancel();
    clock.advance(1000);
    assert.deepEqual(fired, ["b"]);
  });

  it("may move to a list of another duration", () => {
    const { clock, timers, fired, timer } = setup();
    const a = timer("a");
    timers.of(100)?.arm(a);
    timers.of(300)?.arm(a);
    clock.advance(299);
    assert.deepEqual(fired, []);
    clock.advance(1);
    assert.deepEqual(fired, ["a"]);
  });

  it("may be armed and cancelled while they fire", () => {
    const { clock, timers, fired, timer } = setup();
    const list = timers.of(100);
    const [a, b] = [timer("a"), timer("b")];
    list?.arm(a);
    list?.arm(b);
    a.afterwards = () => {
      b.cancel();
      a.afterwards = undefined;
      list?.arm(a);
    };
    clock.advance(100);
    assert.deepEqual(fired, ["a"]);
    clock.advance(100);
    assert.deepEqual(fired, ["a", "a"]);
  });

  it("have one list for a duration, and none for 0", () => {
    const { timers } = setup();
    assert.equal(timers.of(50), timers.of(50));
    assert.equal(timers.of(0), undefined);
    assert.equal(timers.of(-1), undefined);
  });
});
