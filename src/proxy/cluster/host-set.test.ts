import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { endpoint, members } from "../../../testkit/hosts.ts";
import { emptyRuntime } from "../../../testkit/picker-suite.ts";
import { streamInfo } from "../../../testkit/stream-info.ts";
import type { HashPolicy } from "../balancer/hash-policy.ts";
import type { Services } from "../services.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { Host, Locality } from "./host.ts";
import { HostSets } from "./host-set.ts";

function make(config: ClusterJson = {}, services: Services = fakeServices()) {
  const removed: Host[] = [];
  const stats = services.stats.scope("cluster.c.");
  const sets = new HostSets(config, { services, stats, onRemoved: (host) => removed.push(host) });
  return { sets, removed, stats };
}

/** Picks by the last number of the address; "none" for no host. */
function counts(sets: HostSets, picks = 10_000): Record<string, number> {
  const found: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const key = sets.pick({})?.address.ip.split(".")[3] ?? "none";
    found[key] = (found[key] ?? 0) + 1;
  }
  return found;
}

test("without members there is no host", () => {
  const { sets } = make();
  assert.equal(sets.pick({}), undefined);
  sets.update(members([]));
  assert.equal(sets.pick({}), undefined);
});

test("hosts whose address stays keep their identity; the others are told to drain", () => {
  const { sets, removed } = make();
  sets.update(members([endpoint(1), endpoint(2)]));
  const [one, two] = sets.hosts;
  sets.update(members([endpoint(1, { weight: 5, metadata: { a: { b: 1 } } }), endpoint(3)]));
  assert.equal(sets.hosts[0], one);
  assert.equal(one?.weight, 5);
  assert.deepEqual(one.metadata, { a: { b: 1 } });
  assert.deepEqual(removed, [two]);
  assert.equal(two?.removed, true);
});

test("another locality or hostname is another host", () => {
  const { sets, removed } = make();
  sets.update(members([endpoint(1)]));
  sets.update(members([endpoint(1, { hostname: "other" })]));
  assert.equal(removed.length, 1);
});

test("close_connections_on_host_set_change drains those that stay, but only at a change", () => {
  const { sets, removed } = make({ commonLbConfig: { closeConnectionsOnHostSetChange: true } });
  sets.update(members([endpoint(1)]));
  sets.update(members([endpoint(1)]));
  assert.equal(removed.length, 0);
  sets.update(members([endpoint(1), endpoint(2)]));
  assert.deepEqual(removed, [sets.hosts[0]]);
  assert.equal(removed[0]?.removed, false);
});

test("half of the first priority healthy: 70/30", () => {
  const { sets } = make();
  sets.update(
    members([endpoint(1), endpoint(2, { health: "unhealthy" }), endpoint(3, { priority: 1 })]),
  );
  const found = counts(sets);
  assert.deepEqual(Object.keys(found), ["1", "3"]);
  assert.ok(Math.abs((found["1"] ?? 0) - 7000) < 250, JSON.stringify(found));
});

test("a degraded host takes the rest", () => {
  const { sets } = make();
  sets.update(members([endpoint(1), endpoint(2, { health: "degraded" })]));
  const found = counts(sets);
  assert.ok(Math.abs((found["1"] ?? 0) - 7000) < 250, JSON.stringify(found));
});

test("below the panic threshold every host is used, and it is counted", () => {
  const { sets, stats } = make();
  const sick = [2, 3].map((index) => endpoint(index, { health: "unhealthy" as const }));
  sets.update(members([endpoint(1), ...sick]));
  assert.deepEqual(counts(sets, 30), { "1": 10, "2": 10, "3": 10 });
  assert.equal(stats.counter("lb_healthy_panic").value, 30);
});

test("panic may be off, or fail", () => {
  const sick = [endpoint(1, { health: "unhealthy" })];
  const off = make({ commonLbConfig: { healthyPanicThreshold: {} } }).sets;
  off.update(members(sick));
  assert.deepEqual(counts(off, 5), { none: 5 });
  const failing = make({ commonLbConfig: { zoneAwareLbConfig: { failTrafficOnPanic: true } } });
  failing.sets.update(members(sick));
  assert.deepEqual(counts(failing.sets, 5), { none: 5 });
  assert.equal(failing.stats.counter("lb_healthy_panic").value, 5);
});

test("the runtime overrides the panic threshold", () => {
  const runtime = {
    ...emptyRuntime,
    number: (key: string, absent: number) =>
      key === "upstream.healthy_panic_threshold" ? 0 : absent,
  };
  const { sets } = make({}, fakeServices({ runtime }));
  sets.update(members([endpoint(1, { health: "unhealthy" })]));
  assert.equal(sets.pick({}), undefined);
});

const zone = (name: string): Locality => ({ region: "", zone: name, subZone: "" });
const weighted: ClusterJson = { commonLbConfig: { localityWeightedLbConfig: {} } };

test("localities get their weights whatever the number of their hosts", () => {
  const { sets } = make(weighted);
  const hosts = [endpoint(1, { locality: zone("a") }), endpoint(2, { locality: zone("b") })];
  const more = [endpoint(3, { locality: zone("b") }), endpoint(4, { locality: zone("none") })];
  sets.update(members([...hosts, ...more], { localityWeights: { "0//a/": 9, "0//b/": 1 } }));
  assert.deepEqual(counts(sets, 100), { "1": 90, "2": 5, "3": 5 });
});

test("a locality that is half down counts for what it can bear", () => {
  const { sets } = make(weighted);
  const hosts = [
    endpoint(1, { locality: zone("a") }),
    endpoint(2, { locality: zone("a"), health: "unhealthy" }),
    endpoint(3, { locality: zone("b") }),
    endpoint(4, { locality: zone("b") }),
  ];
  sets.update(members(hosts, { localityWeights: { "0//a/": 1, "0//b/": 1 } }));
  // 0.7 to 1.
  const found = counts(sets, 1700);
  assert.ok(Math.abs((found["1"] ?? 0) - 700) <= 2, JSON.stringify(found));
});

test("without any locality weight localities do not matter", () => {
  const { sets } = make(weighted);
  sets.update(members([endpoint(1, { locality: zone("a") }), endpoint(2)]));
  assert.deepEqual(counts(sets, 10), { "1": 5, "2": 5 });
});

test("drop_overloads drops its fraction", () => {
  const { sets } = make();
  sets.update(members([endpoint(1)], { dropFraction: 0.25 }));
  let dropped = 0;
  for (let i = 0; i < 10_000; i++) if (sets.drops) dropped++;
  assert.ok(Math.abs(dropped - 2500) < 250, `${dropped} of 10000`);
});

const original: ClusterJson = { type: "ORIGINAL_DST", lbPolicy: "CLUSTER_PROVIDED" };
const head = (name: string, value: string): RequestHead =>
  new RequestHead("GET", "/", "a", 11, HeaderList.of({ [name]: value }));

test("an original destination becomes a host, once", () => {
  const { sets, stats } = make(original);
  assert.equal(sets.pick({}), undefined);
  const host = sets.pick({ originalDestination: ipAddress("10.1.1.1", 81) });
  assert.equal(host?.addressText, "10.1.1.1:81");
  assert.equal(sets.pick({ originalDestination: ipAddress("10.1.1.1", 81) }), host);
  assert.equal(stats.gauge("membership_total").value, 1);
});

test("a header names the destination only when it may", () => {
  const named = head("x-envoy-original-dst-host", "10.2.2.2:82");
  assert.equal(make(original).sets.pick({ head: named }), undefined);
  const { sets, stats } = make({ ...original, originalDstLbConfig: { useHttpHeader: true } });
  assert.equal(sets.pick({ head: named })?.addressText, "10.2.2.2:82");
  for (const bad of ["10.2.2.2", "name:80", "10.2.2.256:80", "10.2.2.2:65536", "[10.2.2.2]:80"]) {
    assert.equal(sets.pick({ head: head("x-envoy-original-dst-host", bad) }), undefined, bad);
  }
  assert.equal(stats.counter("original_dst_host_invalid").value, 5);
  const v6 = sets.pick({ head: head("x-envoy-original-dst-host", "[2001:db8::1]:80") });
  assert.equal(v6?.addressText, "[2001:db8::1]:80");
});

test("the header's name and the port may be others", () => {
  const { sets } = make({
    ...original,
    originalDstLbConfig: {
      useHttpHeader: true,
      httpHeaderName: "X-Where",
      upstreamPortOverride: 99,
    },
  });
  assert.equal(sets.pick({ head: head("x-where", "10.2.2.2:82") })?.addressText, "10.2.2.2:99");
});

test("an original destination that nobody used for an interval goes", () => {
  const clock = new FakeClock();
  const { sets, removed } = make({ ...original, cleanupInterval: "1s" }, fakeServices({ clock }));
  const one = sets.pick({ originalDestination: ipAddress("10.1.1.1", 81) });
  const two = sets.pick({ originalDestination: ipAddress("10.1.1.2", 81) });
  if (two !== undefined) two.connectionsActive = 1;
  clock.advance(1000);
  assert.equal(sets.hosts.length, 2, "both were used in the first interval");
  clock.advance(1000);
  assert.deepEqual(sets.hosts, [two]);
  assert.deepEqual(removed, [one]);
  if (two !== undefined) two.connectionsActive = 0;
  clock.advance(1000);
  assert.equal(sets.hosts.length, 0);
  assert.equal(clock.waiting, 0, "nothing is left to clean");
});

test("a destination that nobody restored is the proxy's own address: no host", () => {
  const { sets } = make(original);
  const own = ipAddress("10.0.0.9", 80);
  const info = (local: typeof own): StreamInfo => streamInfo({ local, directLocal: own });
  assert.equal(sets.pick({ originalDestination: own, info: info(own) }), undefined);
  // A transparent socket's own address is the client's destination: restored, and equal.
  const restored = ipAddress("10.0.0.9", 80);
  assert.notEqual(sets.pick({ originalDestination: restored, info: info(restored) }), undefined);
});

test("a host whose health flags change leaves and returns", () => {
  const { sets } = make({ commonLbConfig: { healthyPanicThreshold: {} } });
  sets.update(members([endpoint(1), endpoint(2)]));
  const [one] = sets.hosts;
  assert.ok(one !== undefined);
  one.ejected = true;
  sets.healthChanged(one);
  assert.deepEqual(counts(sets, 10), { 2: 10 });
  // What discovery says anew does not undo what was found out.
  sets.update(members([endpoint(1), endpoint(2, { weight: 2 })]));
  assert.deepEqual(counts(sets, 10), { 2: 10 });
  one.ejected = false;
  one.degradedByCheck = true;
  sets.healthChanged(one);
  assert.equal(one.health, "degraded");
});

test("a hash decides about priority and host, and hosts that fail leave its table", () => {
  const { sets } = make({ lbPolicy: "RING_HASH", commonLbConfig: { healthyPanicThreshold: {} } });
  sets.update(
    members([endpoint(1), endpoint(2), endpoint(3, { priority: 1 }), endpoint(4, { priority: 1 })]),
  );
  const hashPolicy: HashPolicy = (into) => {
    into.set(7, 99);
    return true;
  };
  const context = { hashPolicy, info: streamInfo() };
  const first = sets.pick(context);
  assert.ok(first !== undefined && first.priority === 0);
  for (let i = 0; i < 20; i++) assert.equal(sets.pick(context), first);
  first.ejected = true;
  sets.healthChanged(first);
  // Half of the first priority is worth 70 %; (7 · 2³² + 99) mod 100 is 71: the second one's.
  assert.equal(sets.pick(context)?.priority, 1);
  // Without a policy, and when it has no value, hashes are drawn.
  assert.equal(Object.keys(counts(sets, 1000)).length, 3);
});

test("a hash stays with its priority when a retry has used it up", () => {
  const { sets } = make({ lbPolicy: "MAGLEV" });
  sets.update(members([endpoint(1), endpoint(2, { priority: 1 })]));
  const picked = sets.pick({ exclusion: { priorities: [0] } });
  assert.equal(picked?.priority, 0);
});
