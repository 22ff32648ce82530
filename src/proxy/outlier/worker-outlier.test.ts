import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { host } from "../../../testkit/hosts.ts";
import type { OutlierReport } from "./report.ts";
import { outlierKey, SlotMemory } from "./slots.ts";
import { WorkerOutlier } from "./worker-outlier.ts";

const cluster: ClusterJson = { name: "c", outlierDetection: { consecutive5xx: 3 } };

function worker(reports: OutlierReport[], config = cluster): WorkerOutlier {
  const services = {
    ...fakeServices(),
    reportOutlier: (report: OutlierReport) => reports.push(report),
  };
  const outlier = WorkerOutlier.of(config, services);
  assert.ok(outlier !== undefined);
  return outlier;
}

test("a cluster without outlier detection has none", () => {
  assert.equal(WorkerOutlier.of({ name: "c" }, fakeServices()), undefined);
});

test("two workers count the same host together, and one of them reports", () => {
  const memory = new SlotMemory(true);
  const slots = { [outlierKey(host(1))]: memory.take() };
  const reports: OutlierReport[] = [];
  const hosts = [host(1), host(1)];
  for (const one of hosts) worker(reports).attach([one], { chunks: memory.chunks, slots });
  for (const index of [0, 1, 0]) hosts[index]?.outlier?.onResponse(500);
  assert.deepEqual(reports, [{ cluster: "c", host: "0 10.0.0.1:80", kind: "consecutive5xx" }]);
  hosts[1]?.outlier?.onResponse(200);
  for (const index of [0, 0]) hosts[index]?.outlier?.onResponse(500);
  assert.equal(reports.length, 1, "a success in one worker ends the row in both");
});

test("a verdict is for hosts of the membership", () => {
  const memory = new SlotMemory(false);
  const outlier = worker([]);
  const [one, two] = [host(1), host(2)];
  const slots = { [outlierKey(one)]: memory.take(), [outlierKey(two)]: memory.take() };
  outlier.attach([one, two], { chunks: memory.chunks, slots });
  const verdict = { cluster: "c", host: outlierKey(one), on: true } as const;
  assert.equal(outlier.onVerdict({ ...verdict, state: "ejected" }), one);
  assert.deepEqual([one.ejected, two.ejected], [true, false]);
  outlier.onVerdict({ ...verdict, state: "degraded" });
  assert.deepEqual([one.degradedByOutlier, one.outlier?.degraded], [true, true]);
  outlier.attach([two], { chunks: memory.chunks, slots });
  assert.equal(outlier.onVerdict({ ...verdict, state: "ejected" }), undefined);
});

test("memory grows by the host, and what is given back is used again", () => {
  const memory = new SlotMemory(false);
  const taken = Array.from({ length: 130 }, () => memory.take());
  assert.equal(new Set(taken).size, 130);
  assert.equal(memory.chunks.length, 3);
  for (const slot of taken) memory.give(slot);
  for (let i = 0; i < 190; i++) memory.take();
  assert.equal(memory.chunks.length, 3);
});

test("an error matcher says which answers are errors", () => {
  const key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  const matcher = (errorMatcher: object): ClusterJson => {
    const options = {
      "@type": `type.googleapis.com/${key}`,
      outlierDetection: { errorMatcher },
    };
    return { ...cluster, typedExtensionProtocolOptions: { [key]: options } };
  };
  assert.throws(() => worker([], matcher({})), /error_matcher\.rule: is required/);
  assert.throws(
    () => worker([], matcher({ notMatch: { andMatch: { rules: [{}] } } })),
    /error_matcher\.not_match\.and_match\.rules\[0\]\.rule: is required/,
  );
});
