import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { seededRandom } from "../../testkit/seeded-random.ts";
import { Keepalive, type KeepaliveOptions } from "./keepalive.ts";

const options: KeepaliveOptions = { intervalMs: 1000, timeoutMs: 300, jitter: 0, idleMs: 0 };

function started(changes: Partial<KeepaliveOptions> = {}): {
  clock: FakeClock;
  keepalive: Keepalive;
  events: string[];
} {
  const clock = new FakeClock();
  const events: string[] = [];
  const owner = { ping: () => events.push("ping"), onDead: () => events.push("dead") };
  const services = { clock, random: seededRandom(1) };
  const keepalive = new Keepalive({ ...options, ...changes }, owner, services);
  return { clock, keepalive, events };
}

test("asks at every interval as long as it is answered", () => {
  const { clock, keepalive, events } = started();
  clock.advance(1000);
  keepalive.onAnswer();
  clock.advance(1000);
  assert.deepEqual(events, ["ping", "ping"]);
  clock.advance(300);
  assert.deepEqual(events, ["ping", "ping", "dead"]);
});

test("bytes put off the end, silence does not", () => {
  const { clock, keepalive, events } = started();
  clock.advance(1000);
  clock.advance(200);
  keepalive.onHeard();
  clock.advance(250);
  assert.deepEqual(events, ["ping"]);
  clock.advance(50);
  assert.deepEqual(events, ["ping", "dead"]);
});

test("a connection unused for long is asked before it is used", () => {
  const { clock, keepalive, events } = started({ intervalMs: 0, idleMs: 500 });
  keepalive.beforeUse();
  assert.deepEqual(events, []);
  clock.advance(600);
  keepalive.beforeUse();
  keepalive.beforeUse();
  assert.deepEqual(events, ["ping"]);
  clock.advance(300);
  assert.deepEqual(events, ["ping", "dead"]);
});

test("nothing happens after it is stopped", () => {
  const { clock, keepalive, events } = started();
  clock.advance(1000);
  keepalive.stop();
  clock.advance(5000);
  assert.deepEqual(events, ["ping"]);
  assert.equal(clock.waiting, 0);
});
