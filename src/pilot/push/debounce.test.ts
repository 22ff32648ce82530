import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { type Burst, Debounce } from "./debounce.ts";
import { PushQueue } from "./push-queue.ts";

describe("debounce", () => {
  function started() {
    const clock = new FakeClock();
    const bursts: (Burst & { readonly atMs: number })[] = [];
    const debounce = new Debounce({
      clock,
      quietMs: 100,
      maxMs: 10_000,
      onFire: (burst) => bursts.push({ ...burst, atMs: clock.monotonicMs() }),
    });
    return { clock, debounce, bursts };
  }

  it("fires 100 ms after one event", () => {
    const { clock, debounce, bursts } = started();
    debounce.note();
    clock.advance(98);
    assert.deepEqual(bursts, []);
    clock.advance(2);
    assert.deepEqual(bursts, [{ events: 1, sinceMs: 0, atMs: 100 }]);
    assert.equal(clock.waiting, 0);
  });

  it("waits for quiet", () => {
    const { clock, debounce, bursts } = started();
    for (let at = 0; at < 5; at++) {
      debounce.note();
      clock.advance(60);
    }
    assert.deepEqual(bursts, []);
    clock.advance(40);
    assert.deepEqual(bursts, [{ events: 5, sinceMs: 0, atMs: 340 }]);
  });

  it("but not for ever", () => {
    const { clock, debounce, bursts } = started();
    for (let at = 0; at < 300; at++) {
      debounce.note();
      clock.advance(50);
    }
    assert.deepEqual(bursts, [{ events: 200, sinceMs: 0, atMs: 10_000 }]);
  });

  it("stop forgets, flush does not wait", () => {
    const { clock, debounce, bursts } = started();
    debounce.note();
    debounce.stop();
    clock.advance(1000);
    assert.deepEqual(bursts, []);
    debounce.note();
    debounce.flush();
    debounce.flush();
    assert.equal(bursts.length, 1);
  });
});

describe("push queue", () => {
  function started(concurrency: number) {
    const clock = new FakeClock();
    const begun: string[] = [];
    const deferred: (() => void)[] = [];
    const queue = new PushQueue<string>({
      clock,
      concurrency,
      slotMs: 1000,
      defer: (work) => deferred.push(work),
      start: (proxy) => begun.push(proxy),
    });
    const turn = () => {
      for (const work of deferred.splice(0)) work();
      return begun.splice(0);
    };
    return { clock, queue, turn };
  }

  it("a proxy waits once, however often it is added", () => {
    const { queue, turn } = started(10);
    for (const proxy of ["a", "b", "a", "a"]) queue.add(proxy);
    assert.deepEqual(turn(), ["a", "b"]);
    assert.equal(queue.depth, 0);
  });

  it("what comes during its push makes one more", () => {
    const { queue, turn } = started(10);
    queue.add("a");
    turn();
    queue.add("a");
    queue.add("a");
    assert.deepEqual(turn(), []);
    queue.done("a");
    assert.deepEqual(turn(), ["a"]);
    queue.done("a");
    assert.deepEqual(turn(), []);
    assert.equal(queue.isIdle("a"), true);
  });

  it("no more than the limit work at a time, and a slow one gives its place up", () => {
    const { clock, queue, turn } = started(2);
    for (const proxy of ["a", "b", "c", "d"]) queue.add(proxy);
    assert.deepEqual(turn(), ["a", "b"]);
    queue.done("b");
    assert.deepEqual(turn(), ["c"]);
    clock.advance(1000);
    assert.deepEqual(turn(), ["d"]);
    assert.equal(queue.overdue, 2);
  });

  it("who is gone is not pushed to", () => {
    const { queue, turn } = started(1);
    for (const proxy of ["a", "b", "c"]) queue.add(proxy);
    turn();
    queue.remove("b");
    queue.remove("a");
    assert.deepEqual(turn(), ["c"]);
  });

  it("whatever happens, everybody gets what came last, and nobody twice at a time", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = seededRandom(seed);
      const { clock, queue, turn } = started(3);
      const wanted = new Map<string, number>();
      const got = new Map<string, number>();
      const working = new Set<string>();
      const step = () => {
        for (const proxy of turn()) {
          assert.ok(!working.has(proxy), `seed ${seed}`);
          working.add(proxy);
          got.set(proxy, wanted.get(proxy) ?? 0);
        }
        assert.ok(working.size <= 3, `seed ${seed}`);
      };
      for (let at = 1; at <= 200; at++) {
        const proxy = String(random.below(8));
        if (random.unit() < 0.5) {
          wanted.set(proxy, at);
          queue.add(proxy);
        } else if (working.delete(proxy)) queue.done(proxy);
        step();
      }
      while (working.size > 0) {
        for (const proxy of working) queue.done(proxy);
        working.clear();
        step();
      }
      assert.deepEqual([...got].sort(), [...wanted].sort(), `seed ${seed}`);
      assert.equal(clock.waiting, 0, `seed ${seed}`);
    }
  });
});
