import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { MainStats } from "../stats/main-stats.ts";
import type { ChangeProblem, ConfigStep } from "../worker-protocol.ts";
import { DynamicClusters } from "./dynamic-clusters.ts";

const nothing = () => undefined;

/** Workers that answer when the test says so, and members that come when it says so. */
function started() {
  const stats = new MainStats();
  const steps: ConfigStep[] = [];
  const ready: (() => void)[] = [];
  const answers: ((refused: readonly ChangeProblem[]) => void)[] = [];
  const clusters = new DynamicClusters({
    clock: new FakeClock(),
    stats: stats.own,
    staticNames: new Set(["xds"]),
    sources: { of: () => assert.fail(), check: nothing, start: nothing, close: nothing },
    clusters: { add: (_config, onReady) => ready.push(onReady), remove: nothing },
    secrets: { watchAll: (_config, onReady) => ({ start: onReady, end: nothing }) },
    workers: {
      threads: false,
      change: () => new Promise((resolve) => answers.push(resolve)),
      step: (step) => steps.push(step),
      activateListener: () => assert.fail(),
      removeListener: nothing,
    },
  });
  const send = (cluster: ClusterJson) =>
    clusters.apply({
      version: "1",
      removed: [],
      // Proof: a cluster is JSON.
      set: [
        { name: "web", version: "1", ttlMs: undefined, json: JSON.parse(JSON.stringify(cluster)) },
      ],
    });
  const gauge = (name: string): number => stats.own.scope("cluster_manager.").gauge(name).value;
  return { clusters, steps, ready, answers, send, gauge };
}

const config: ClusterJson = { name: "web", connectTimeout: "1s" };
const refusal = [{ index: 0, problems: [{ path: "", message: "bad" }] }];

test("a cluster that is warm while the workers take the next one of its name is not put in use", async () => {
  const { steps, ready, answers, send } = started();
  const first = send(config);
  answers.shift()?.([]);
  await first;
  const second = send({ ...config, connectTimeout: "2s" });
  ready.shift()?.();
  answers.shift()?.([]);
  await second;
  assert.deepEqual(steps, []);
  ready.shift()?.();
  assert.deepEqual(steps, [{ kind: "activate-clusters", names: ["web"] }]);
});

test("a cluster that is warm while the workers refuse the next one of its name is put in use", async () => {
  const { steps, ready, answers, send } = started();
  const first = send(config);
  answers.shift()?.([]);
  await first;
  const second = send({ ...config, connectTimeout: "2s" });
  ready.shift()?.();
  assert.deepEqual(steps, []);
  answers.shift()?.(refusal);
  assert.equal((await second).length, 1);
  assert.deepEqual(steps, [{ kind: "activate-clusters", names: ["web"] }]);
});

test("a cluster stays active while the next one of its name warms", async () => {
  const { ready, answers, send, gauge } = started();
  const first = send(config);
  answers.shift()?.([]);
  await first;
  ready.shift()?.();
  assert.equal(gauge("active_clusters"), 2);
  const second = send({ ...config, connectTimeout: "2s" });
  answers.shift()?.([]);
  await second;
  assert.equal(gauge("active_clusters"), 2);
  assert.equal(gauge("warming_clusters"), 1);
});
