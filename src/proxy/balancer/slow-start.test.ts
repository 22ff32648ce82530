import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { endpoint, host, members } from "../../../testkit/hosts.ts";
import { emptyRuntime } from "../../../testkit/picker-suite.ts";
import { HostSets } from "../cluster/host-set.ts";
import { SlowStart } from "./slow-start.ts";

function slowStart(more: object = {}): { clock: FakeClock; slow: SlowStart } {
  const clock = new FakeClock();
  clock.advance(1000);
  const config = { slowStartWindow: "10s", ...more };
  const slow = SlowStart.of(config, { clock, runtime: emptyRuntime });
  assert.ok(slow !== undefined);
  return { clock, slow };
}

test("the weight grows from its least part to the whole within the window", () => {
  const { clock, slow } = slowStart();
  const one = host(1);
  slow.note([one]);
  const weights = [0, 500, 1500, 3000, 4000, 990, 10].map((milliseconds) => {
    clock.advance(milliseconds);
    return slow.weigh(one, 4);
  });
  assert.deepEqual(weights, [0.4, 0.4, 0.8, 2, 3.6, 3.996, 4]);
  assert.equal(slow.active, true);
  clock.advance(1);
  assert.equal(slow.active, false);
});

test("with aggression it grows sooner", () => {
  const { clock, slow } = slowStart({ aggression: { defaultValue: 2, runtimeKey: "x" } });
  const one = host(1);
  slow.note([one]);
  clock.advance(2500);
  assert.equal(slow.weigh(one, 1), 0.5);
});

test("a host keeps its time, and others begin with theirs", () => {
  const { clock, slow } = slowStart();
  const [one, two] = [host(1), host(2)];
  slow.note([one]);
  clock.advance(5000);
  slow.note([one, two]);
  assert.deepEqual([slow.weigh(one, 1), slow.weigh(two, 1)], [0.5, 0.1]);
  clock.advance(8000);
  assert.deepEqual([slow.weigh(one, 1), slow.weigh(two, 1)], [1, 0.8]);
  assert.equal(slow.active, true);
});

test("what is not healthy has its whole weight, and no time yet", () => {
  const { clock, slow } = slowStart();
  const one = host(1, { health: "degraded" });
  slow.note([one]);
  clock.advance(5000);
  assert.equal(slow.weigh(one, 1), 1);
  one.health = "healthy";
  slow.note([one]);
  assert.equal(slow.weigh(one, 1), 0.1);
});

test("a host that checks take back begins anew", () => {
  const clock = new FakeClock();
  clock.advance(1000);
  const config = { roundRobinLbConfig: { slowStartConfig: { slowStartWindow: "10s" } } };
  const services = fakeServices({ clock });
  const stats = services.stats.scope("cluster.c.");
  const sets = new HostSets(config, { services, stats, onRemoved: () => undefined });
  sets.update(members([endpoint(1), endpoint(2)]));
  const picks = (): number[] => {
    const counts = [0, 0];
    for (let i = 0; i < 110; i++) {
      const index = picked === undefined ? -1 : sets.hosts.indexOf(picked);
      if (index >= 0) counts[index] = (counts[index] ?? 0) + 1;
      picked = sets.pick({});
    }
    return counts;
  };
  let picked = sets.pick({});
  assert.deepEqual(picks(), [55, 55]);
  clock.advance(20_000);
  const [one] = sets.hosts;
  assert.ok(one !== undefined);
  const none = {
    degraded: false,
    excluded: false,
    pending: false,
    timedOut: false,
    leaving: false,
  };
  sets.checked(one, { ...none, failed: true });
  sets.checked(one, { ...none, failed: false });
  const [first = 0] = picks();
  assert.ok(Math.abs(first - 10) <= 1, String(first));
});
