import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { endpoint, host, members } from "../../../testkit/hosts.ts";
import type { Host } from "../cluster/host.ts";
import { HostSets } from "../cluster/host-set.ts";
import { compileLoadWeighing, LoadWeights, weightOf } from "./client-side-weighted-round-robin.ts";

const metrics = (values: Readonly<Record<string, number>>): Map<string, number> =>
  new Map(Object.entries(values));

test("a weight is requests by utilization, and errors add to that", () => {
  const weigh = (values: Readonly<Record<string, number>>, errorPenalty = 0): number | undefined =>
    weightOf(metrics(values), { errorPenalty, metricNames: [] });
  assert.equal(weigh({ rps_fractional: 100, cpu_utilization: 0.3 }), 333);
  assert.equal(weigh({ rps_fractional: 100, cpu_utilization: 0.5, eps: 25 }), 200);
  assert.equal(weigh({ rps_fractional: 100, cpu_utilization: 0.5, eps: 25 }, 2), 100);
  assert.equal(weigh({ rps_fractional: 100, eps: 50 }, 1), 200);
  assert.equal(weigh({ rps_fractional: 1, cpu_utilization: 3 }), 0);
  assert.equal(weigh({ rps_fractional: 1e300, cpu_utilization: 1 }), 2 ** 32 - 1);
  for (const little of [{}, { rps_fractional: 1 }, { cpu_utilization: 1 }])
    assert.equal(weigh(little), undefined);
  assert.equal(weigh({ rps_fractional: Number.NaN, cpu_utilization: 1 }), undefined);
});

test("utilization: the named metrics' most, then the application's, then the processor's", () => {
  const report = metrics({
    rps_fractional: 1000,
    cpu_utilization: 0.1,
    application_utilization: 0.2,
    mem_utilization: 0.4,
    "named_metrics.a": 0.5,
    "named_metrics.b": 1,
    "utilization.c": 2,
  });
  const weigh = (...metricNames: readonly string[]): number | undefined =>
    weightOf(report, { errorPenalty: 0, metricNames });
  assert.equal(weigh("named_metrics.a", "mem_utilization"), 2000);
  assert.equal(weigh("named_metrics.*"), 1000);
  assert.equal(weigh("named_metrics.a", "utilization.*"), 500);
  assert.equal(weigh("named_metrics.x", "x.*"), 5000);
  assert.equal(weigh(), 5000);
  report.delete("application_utilization");
  assert.equal(weigh(), 10_000);
});

test("out-of-band reports are refused, and a short update period is a tenth of a second", () => {
  assert.throws(() => compileLoadWeighing({ enableOobLoadReport: true }), /enable_oob_load_report/);
  assert.equal(compileLoadWeighing({ weightUpdatePeriod: "0.01s" }).updateMs, 100);
  assert.deepEqual(compileLoadWeighing({ enableOobLoadReport: false }), {
    blackoutMs: 10_000,
    expirationMs: 180_000,
    updateMs: 1000,
    errorPenalty: 0,
    metricNames: [],
  });
});

const says = (it: Host | undefined, weight: number): boolean | undefined =>
  it?.load?.report(
    HeaderList.of({ "endpoint-load-metrics": `TEXT rps_fractional=${weight},cpu_utilization=1` }),
  );

function weighing(hosts: readonly Host[]): { clock: FakeClock; weights: LoadWeights } {
  const clock = new FakeClock();
  clock.advance(1_000_000);
  const weights = LoadWeights.of(compileLoadWeighing({}), clock);
  assert.ok(weights !== undefined);
  weights.adopt(hosts);
  return { clock, weights };
}

test("weights count after the blackout and until they expire", () => {
  const hosts = [host(1), host(2), host(3)];
  const [one, two] = hosts;
  const { clock, weights } = weighing(hosts);
  assert.equal(says(one, 10), true);
  assert.equal(says(two, 30), true);
  clock.advance(9999);
  assert.equal(weights.refresh(), false);
  clock.advance(1);
  // Not before the next period.
  assert.equal(weights.refresh(), false);
  clock.advance(1000);
  assert.equal(weights.refresh(), true);
  assert.deepEqual(
    hosts.map(({ weight }) => weight),
    [10, 30, 20],
  );
  clock.advance(169_000);
  assert.equal(says(two, 50), true);
  clock.advance(1000);
  assert.equal(weights.refresh(), true);
  assert.deepEqual(
    hosts.map(({ weight }) => weight),
    [50, 50, 50],
  );
  // Its blackout begins anew.
  says(one, 10);
  clock.advance(9999);
  weights.refresh();
  assert.equal(one?.weight, 50);
  clock.advance(1001);
  weights.refresh();
  assert.equal(one?.weight, 10);
});

test("configured weights count until the first update", () => {
  const hosts = [host(1, { weight: 3 }), host(2)];
  const { clock, weights } = weighing(hosts);
  assert.equal(weights.refresh(), false);
  assert.equal(hosts[0]?.weight, 3);
  clock.advance(1000);
  assert.equal(weights.refresh(), true);
  assert.equal(hosts[0]?.weight, 1);
});

test("each priority has a median of its own, and no weight is less than 1", () => {
  const hosts = [host(1), host(2), host(3, { priority: 1 }), host(4, { priority: 1 })];
  const { clock, weights } = weighing(hosts);
  says(hosts[0], 8);
  says(hosts[2], 0.5);
  clock.advance(10_000);
  weights.refresh();
  assert.deepEqual(
    hosts.map(({ weight }) => weight),
    [8, 8, 1, 1],
  );
});

test("a report that says too little is one, and changes nothing", () => {
  const hosts = [host(1), host(2)];
  const { clock, weights } = weighing(hosts);
  assert.equal(says(hosts[0], 0), true);
  assert.equal(hosts[0]?.load?.report(new HeaderList()), false);
  clock.advance(10_000);
  assert.equal(weights.refresh(), false);
});

test("a cluster's hosts get requests by their reports, and keep those over an update", () => {
  const clock = new FakeClock();
  const typedConfig = {
    "@type":
      "type.googleapis.com/envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin",
  };
  const services = fakeServices({ clock });
  const sets = new HostSets(
    { loadBalancingPolicy: { policies: [{ typedExtensionConfig: { name: "x", typedConfig } }] } },
    { services, stats: services.stats, onRemoved: () => undefined },
  );
  const update = (...indices: readonly number[]): void =>
    sets.update(members(indices.map((index) => endpoint(index, { weight: 7 }))));
  const picks = (count: number): number[] => {
    const picked = Array.from({ length: count }, () => sets.pick({}));
    return sets.hosts.map((it) => picked.filter((other) => other === it).length);
  };
  update(1, 2);
  assert.deepEqual(picks(8), [4, 4]);
  says(sets.hosts[0], 30);
  says(sets.hosts[1], 10);
  clock.advance(10_000);
  assert.deepEqual(picks(8), [6, 2]);
  update(1, 2, 3);
  assert.deepEqual(picks(12), [6, 2, 4]);
});

test("other clusters' hosts are not asked", () => {
  const services = fakeServices();
  const sets = new HostSets({}, { services, stats: services.stats, onRemoved: () => undefined });
  sets.update(members([endpoint(1)]));
  assert.equal(sets.hosts[0]?.load, undefined);
});
