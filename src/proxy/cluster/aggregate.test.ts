import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { endpoint, members } from "../../../testkit/hosts.ts";
import { WorkerClusters } from "./worker-clusters.ts";

function setting() {
  const clusters = new WorkerClusters();
  const services = { ...fakeServices(), clusters };
  const aggregate = {
    name: "all",
    lbPolicy: "CLUSTER_PROVIDED",
    clusterType: {
      name: "envoy.clusters.aggregate",
      typedConfig: {
        "@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig",
        clusters: ["a", "b"],
      },
    },
  } as const;
  clusters.addAll([aggregate, { name: "a" }, { name: "b" }], {
    services,
    contexts: new Set(),
    cells: undefined,
  });
  const picks = (): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < 1000; i++) {
      const key = clusters.get("all")?.pickHost({})?.address.ip.split(".")[3] ?? "none";
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  };
  return { clusters, picks };
}

test("priorities of one cluster after the other's, and changes are seen by the next pick", () => {
  const { clusters, picks } = setting();
  assert.deepEqual(picks(), { none: 1000 });
  clusters.update({ ...members([endpoint(9)]), cluster: "b" });
  assert.deepEqual(picks(), { 9: 1000 });
  const two = [endpoint(1), endpoint(2, { priority: 1 })];
  clusters.update({ ...members(two), cluster: "a" });
  assert.deepEqual(picks(), { 1: 1000 });
  const [first] = clusters.get("a")?.hosts ?? [];
  assert.ok(first !== undefined);
  first.ejected = true;
  clusters.get("a")?.healthChanged(first);
  assert.deepEqual(picks(), { 2: 1000 });
});
