import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { host } from "../../../testkit/hosts.ts";
import { emptyRuntime } from "../../../testkit/picker-suite.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { WorkerStats } from "../stats/worker-stats.ts";
import { CheckStats } from "./check-stats.ts";
import { compileHealthCheck } from "./config.ts";
import { CheckSession } from "./session.ts";

function begin(extra: object = {}) {
  const settings = compileHealthCheck({
    name: "a",
    healthChecks: [
      {
        timeout: "1s",
        interval: "10s",
        unhealthyThreshold: 3,
        healthyThreshold: 2,
        tcpHealthCheck: {},
        ...extra,
      },
    ],
  });
  assert.ok(settings !== undefined);
  const clock = new FakeClock();
  const seen = { checks: 0, given: 0, destroyed: 0 };
  const stats = new CheckStats(new WorkerStats(() => undefined).scope("cluster.a."));
  const session = new CheckSession({
    settings,
    host: host(0),
    clock,
    random: seededRandom(1),
    runtime: emptyRuntime,
    stats,
    log: undefined,
    hasTraffic: () => true,
    makeProbe: () => ({
      begin: () => void seen.checks++,
      giveUp: () => void seen.given++,
      destroy: () => void seen.destroyed++,
    }),
    onChecked: () => undefined,
  });
  session.start();
  return { session, clock, seen, stats };
}

test("a check that takes too long is given up, and the next one comes an interval later", () => {
  const { session, clock, seen, stats } = begin();
  clock.advance(1000);
  assert.deepEqual([seen.checks, seen.given], [1, 1]);
  assert.ok(session.failed && session.state.timedOut && session.checked);
  clock.advance(10_000);
  assert.equal(seen.checks, 2);
  assert.equal(stats.networkFailure.value, 1);
});

test("thresholds count in a row", () => {
  const { session } = begin();
  session.onPassed(false);
  assert.ok(!session.failed);
  session.onFailed({ type: "NETWORK" });
  session.onFailed({ type: "NETWORK" });
  session.onPassed(false);
  session.onFailed({ type: "ACTIVE", retriable: true });
  session.onFailed({ type: "NETWORK" });
  assert.ok(!session.failed);
  session.onFailed({ type: "NETWORK" });
  assert.ok(session.failed);
  session.onPassed(false);
  assert.ok(session.failed);
  session.onPassed(false);
  assert.ok(!session.failed);
});

test("after stop nothing happens and the gauges are given back", () => {
  const { session, clock, seen, stats } = begin();
  session.onPassed(true);
  assert.deepEqual([stats.healthy.value, stats.degraded.value], [1, 1]);
  session.stop();
  session.stop();
  clock.advance(60_000);
  session.onFailed({ type: "ACTIVE" });
  assert.deepEqual([stats.healthy.value, stats.degraded.value], [0, 0]);
  assert.deepEqual(seen, { checks: 1, given: 0, destroyed: 1 });
});
