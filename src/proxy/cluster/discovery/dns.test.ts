import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { FakeClock } from "../../../../testkit/fake-clock.ts";
import { seededRandom } from "../../../../testkit/seeded-random.ts";
import { WorkerStats } from "../../stats/worker-stats.ts";
import type { ClusterMembers } from "../host.ts";
import { createDiscovery } from "./discovery.ts";
import type { Resolver } from "./resolver.ts";

type Answers = Record<string, readonly string[] | Error>;

/** A DNS cluster on a fake clock; `answers` by `name` (IPv4) or `name 6`, may be changed at any time. */
class Setup {
  readonly clock = new FakeClock();
  readonly stats = new WorkerStats(() => undefined);
  readonly published: string[][] = [];
  readonly members: ClusterMembers[] = [];
  readonly asked: string[] = [];
  answers: Answers;
  ttl: number | undefined;
  ready = 0;

  constructor(config: ClusterJson, answers: Answers, ttl?: number) {
    this.ttl = ttl;
    this.answers = answers;
    const resolver: Resolver = {
      resolve: async (name, family) => {
        const key = family === 4 ? name : `${name} 6`;
        this.asked.push(key);
        const found = this.answers[key] ?? [];
        if (found instanceof Error) throw found;
        return found.map((ip) => ({ ip, ttlSeconds: this.ttl }));
      },
    };
    const discovery = createDiscovery(config, {
      clock: this.clock,
      stats: this.stats,
      log: () => undefined,
      node: { id: "", cluster: "", hostname: "", zone: "" },
      resolver,
      random: seededRandom(1),
    });
    discovery.start(
      (members) => {
        this.members.push(members);
        this.published.push(
          members.endpoints.map(({ address }) => `${address.ip}:${address.port}`),
        );
      },
      () => this.ready++,
    );
  }

  async advance(milliseconds: number): Promise<void> {
    this.clock.advance(milliseconds);
    await turn();
  }

  stat(name: string): number {
    return this.stats.counter(`cluster.c.${name}`).value;
  }
}

const dns = (extra: ClusterJson = {}, ...names: readonly string[]): ClusterJson => ({
  name: "c",
  type: "STRICT_DNS",
  loadAssignment: {
    clusterName: "c",
    endpoints: [
      {
        lbEndpoints: (names.length === 0 ? ["a.test"] : names).map((address) => ({
          endpoint: { address: { socketAddress: { address, portValue: 80 } } },
        })),
      },
    ],
  },
  ...extra,
});

test("STRICT_DNS: every address is an endpoint, and the name its hostname", async () => {
  const it = new Setup(dns(), { "a.test": ["10.0.0.1", "10.0.0.2"] });
  await turn();
  assert.deepEqual(it.published, [["10.0.0.1:80", "10.0.0.2:80"]]);
  assert.equal(it.members[0]?.endpoints[0]?.hostname, "a.test");
  assert.equal(it.stats.gauge("cluster.c.membership_total").value, 2);
});

test("a name is asked for again after the refresh rate; the same answer changes nothing", async () => {
  const it = new Setup(dns({ dnsRefreshRate: "2s" }), { "a.test": ["10.0.0.1", "10.0.0.2"] });
  await turn();
  it.answers = { "a.test": ["10.0.0.2", "10.0.0.1"] };
  await it.advance(2000);
  assert.equal(it.stat("update_attempt"), 2);
  assert.equal(it.stat("update_success"), 2);
  assert.equal(it.stat("update_no_rebuild"), 1);
  it.answers = { "a.test": ["10.0.0.3"] };
  await it.advance(2000);
  assert.deepEqual(it.published.at(-1), ["10.0.0.3:80"]);
  assert.equal(it.stat("membership_change"), 2);
});

test("a failure keeps what was known, and is counted", async () => {
  const it = new Setup(dns(), { "a.test": ["10.0.0.1"] });
  await turn();
  it.answers = { "a.test": new Error("SERVFAIL"), "a.test 6": new Error("SERVFAIL") };
  await it.advance(5000);
  assert.equal(it.stat("update_failure"), 1);
  assert.equal(it.published.length, 1);
  it.answers = { "a.test": ["10.0.0.2"] };
  await it.advance(5000);
  assert.deepEqual(it.published.at(-1), ["10.0.0.2:80"]);
});

test("a first failure lets the proxy start without the cluster", async () => {
  const it = new Setup(dns(), { "a.test": new Error("SERVFAIL") });
  await turn();
  assert.equal(it.ready, 1);
  assert.deepEqual(it.published, []);
});

test("of several names each has its own time, and the first answer is published alone", async () => {
  const it = new Setup(dns({}, "a.test", "b.test"), {
    "a.test": ["10.0.0.1"],
    "b.test": new Error("SERVFAIL"),
  });
  await turn();
  assert.deepEqual(it.published, [["10.0.0.1:80"]]);
  it.answers = { "a.test": ["10.0.0.1"], "b.test": ["10.0.0.2"] };
  await it.advance(5000);
  assert.deepEqual(it.published.at(-1), ["10.0.0.1:80", "10.0.0.2:80"]);
});

test("failures back off between nothing and base × 2ⁿ, at most max", async () => {
  const rates = { baseInterval: "1s", maxInterval: "4s" };
  const it = new Setup(dns({ dnsFailureRefreshRate: rates, dnsLookupFamily: "V4_ONLY" }), {
    "a.test": new Error("SERVFAIL"),
  });
  await turn();
  for (const ceilingMs of [1000, 2000, 4000, 4000]) {
    const before = it.asked.length;
    await it.advance(ceilingMs);
    assert.ok(it.asked.length > before, `within ${ceilingMs}`);
    await turn();
  }
});

test("respect_dns_ttl waits for the shortest time to live; 0 means the refresh rate", async () => {
  const config = dns({ respectDnsTtl: true, dnsLookupFamily: "V4_ONLY" });
  const it = new Setup(config, { "a.test": ["10.0.0.1"] }, 2);
  await turn();
  await it.advance(1999);
  const before = it.asked.length;
  it.ttl = 0;
  await it.advance(1);
  assert.equal(it.asked.length, before + 1);
  await it.advance(4999);
  assert.equal(it.asked.length, before + 1);
  await it.advance(1);
  assert.equal(it.asked.length, before + 2);
});

for (const [family, asked, endpoints] of [
  ["AUTO", ["a.test 6"], ["2001:db8::1:80"]],
  ["V6_ONLY", ["a.test 6"], ["2001:db8::1:80"]],
  ["V4_ONLY", ["a.test"], ["10.0.0.1:80"]],
  ["V4_PREFERRED", ["a.test"], ["10.0.0.1:80"]],
  ["ALL", ["a.test", "a.test 6"], ["10.0.0.1:80", "2001:db8::1:80"]],
] as const) {
  test(`dns_lookup_family ${family}`, async () => {
    const answers = { "a.test": ["10.0.0.1"], "a.test 6": ["2001:db8::1"] };
    const it = new Setup(dns({ dnsLookupFamily: family }), answers);
    await turn();
    assert.deepEqual(it.asked, asked);
    assert.deepEqual(it.published, [endpoints]);
  });
}

test("AUTO falls back to IPv4, V4_PREFERRED to IPv6", async () => {
  const auto = new Setup(dns(), { "a.test": ["10.0.0.1"] });
  const preferred = new Setup(dns({ dnsLookupFamily: "V4_PREFERRED" }), {
    "a.test": new Error("SERVFAIL"),
    "a.test 6": ["2001:db8::1"],
  });
  await turn();
  assert.deepEqual(auto.published, [["10.0.0.1:80"]]);
  assert.deepEqual(preferred.published, [["2001:db8::1:80"]]);
});

test("LOGICAL_DNS: one host, which stays while the answer has it", async () => {
  const it = new Setup(dns({ type: "LOGICAL_DNS" }), { "a.test": ["10.0.0.1", "10.0.0.2"] });
  await turn();
  it.answers = { "a.test": ["10.0.0.2", "10.0.0.1"] };
  await it.advance(5000);
  it.answers = { "a.test": [] };
  await it.advance(5000);
  it.answers = { "a.test": ["10.0.0.3", "10.0.0.2"] };
  await it.advance(5000);
  assert.deepEqual(it.published, [["10.0.0.1:80"], ["10.0.0.3:80"]]);
});

test("LOGICAL_DNS with two endpoints is refused", () => {
  assert.throws(
    () => new Setup(dns({ type: "LOGICAL_DNS" }, "a.test", "b.test"), {}),
    /single lb_endpoint/,
  );
});

test("cluster_type envoy.clusters.dns has its options in the extension", async () => {
  const typed = (allAddressesInSingleEndpoint: boolean): ClusterJson => {
    const options = {
      "@type": "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster",
      dnsRefreshRate: "1s",
      dnsLookupFamily: "V4_ONLY",
      allAddressesInSingleEndpoint,
    };
    return { clusterType: { name: "envoy.clusters.dns", typedConfig: options } };
  };
  const { type: _, ...base } = dns();
  const strict = new Setup({ ...base, ...typed(false) }, { "a.test": ["10.0.0.1", "10.0.0.2"] });
  const logical = new Setup({ ...base, ...typed(true) }, { "a.test": ["10.0.0.1", "10.0.0.2"] });
  await turn();
  assert.deepEqual(strict.published, [["10.0.0.1:80", "10.0.0.2:80"]]);
  assert.deepEqual(logical.published, [["10.0.0.1:80"]]);
  await strict.advance(1000);
  assert.deepEqual(strict.asked, ["a.test", "a.test"]);
});

test("members cross to another thread", async () => {
  const it = new Setup(dns(), { "a.test": ["10.0.0.1"] });
  await turn();
  assert.deepEqual(structuredClone(it.members[0]), it.members[0]);
});
