/** Where the metadata that picks a subset comes from, and what balances within one. */
import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { type JsonObject, listener, toCluster } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import {
  asExtension,
  bodies,
  group,
  host,
  inLb,
  named,
  selecting,
  selector,
  setMetadata,
  subsetCase,
  subsetClusters,
  versions,
} from "./harness/subsets.ts";
import { tcpProxy } from "./harness/tcp-proxy.ts";

const hashed: Readonly<Record<string, string>> = {
  RING_HASH: "two two one two one one two two two two two one",
  MAGLEV: "two two one two two two two one two two one one",
};
const tcp = (name: string, config: JsonObject): JsonObject =>
  listener([tcpProxy(config)], {}, name);

const byVersion = selector(["version"]);
const onlyStats = (facts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [`cluster.{case}-main.lb_subsets_${name}`, value]),
  );
const stageAndVersion: readonly JsonObject[] = [
  host("one", { stage: "prod", version: "1" }),
  host("two", { stage: "prod", version: "2" }),
  host("three", { stage: "dev", version: "1" }),
];

const sources: readonly ParityCase[] = [
  subsetCase("a weighted cluster's metadata over its route's", {
    subsets: { subset_selectors: [selector(["stage", "version"]), byVersion] },
    endpoints: stageAndVersion,
    routeList: [
      {
        match: { prefix: "/own" },
        route: {
          ...inLb({ stage: "prod", version: "1" }),
          weighted_clusters: {
            clusters: [{ name: "{case}-main", weight: 1, ...inLb({ version: "2" }) }],
          },
        },
      },
      {
        match: { prefix: "/route" },
        route: {
          ...inLb({ stage: "prod", version: "1" }),
          weighted_clusters: { clusters: [{ name: "{case}-main", weight: 1 }] },
        },
      },
      {
        match: { prefix: "/alone" },
        route: {
          weighted_clusters: {
            clusters: [{ name: "{case}-main", weight: 1, ...inLb({ version: "2" }) }],
          },
        },
      },
    ],
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/own", 2), { two: 2 });
      assert.deepEqual(await bodies(t, "/route", 2), { one: 2 });
      assert.deepEqual(await bodies(t, "/alone", 2), { two: 2 });
    },
  }),
  subsetCase("the request's own metadata over the route's", {
    subsets: { subset_selectors: [byVersion, selector(["stage", "version"])] },
    endpoints: stageAndVersion,
    routes: {
      "/route": { version: "1" },
      "/": undefined,
      "/more": { stage: "prod", version: "1" },
    },
    options: { filters: [setMetadata({ version: "2" })] },
    run: async (t) => {
      for (const path of ["/route", "/", "/more"])
        assert.deepEqual(await bodies(t, path, 2), { two: 2 });
    },
  }),
  subsetCase("metadata of another namespace says nothing", {
    subsets: { subset_selectors: [byVersion], fallback_policy: "ANY_ENDPOINT" },
    endpoints: versions.slice(0, 2),
    routeList: [
      {
        match: { prefix: "/" },
        ...toCluster("main", {
          metadata_match: { filter_metadata: { other: { version: "1" } } },
        }),
      },
    ],
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/", 2), { one: 1, two: 1 });
      await t.stats(onlyStats({ selected: 0, fallback: 2 }));
    },
  }),
  subsetCase("clusters without subsets do not look", {
    endpoints: versions,
    routes: { "/": { version: "9" } },
    run: async (t) => assert.deepEqual(await bodies(t, "/", 3), { one: 1, two: 1, three: 1 }),
  }),
  {
    name: "tcp_proxy: its own metadata, and a weighted cluster's over it",
    config: {
      listeners: [
        tcp("main", { ...inLb({ stage: "prod", version: "1" }) }),
        tcp("weighted", {
          ...inLb({ stage: "prod", version: "1" }),
          weighted_clusters: {
            clusters: [{ name: "{case}-main", weight: 1, ...inLb({ version: "2" }) }],
          },
        }),
        tcp("nobody", { ...inLb({ version: "9" }) }),
      ],
      clusters: subsetClusters({ subset_selectors: [selector(["version", "stage"])] }, [
        group(stageAndVersion),
      ]),
    },
    upstreams: named,
    run: async (t) => {
      const ask = async (name: string): Promise<string> => {
        const client = await t.connect(name);
        return (await client.exchange(get("/"))).body;
      };
      assert.equal(await ask("main"), "one");
      assert.equal(await ask("weighted"), "two");
      const refused = await t.connect("nobody");
      await refused.ended();
      await t.stats({ "cluster.{case}-main.upstream_cx_none_healthy": 1 });
    },
  },
];

const underneath: readonly ParityCase[] = [
  subsetCase("weights within a subset", {
    subsets: { subset_selectors: [byVersion] },
    endpoints: [
      host("one", { version: "1" }, { load_balancing_weight: 3 }),
      host("two", { version: "1" }, { load_balancing_weight: 1 }),
      host("three", { version: "2" }, { load_balancing_weight: 9 }),
    ],
    routes: { "/1": { version: "1" } },
    run: async (t) => assert.deepEqual(await bodies(t, "/1", 16), { one: 12, two: 4 }),
  }),
  ...["RANDOM", "LEAST_REQUEST"].map((policy) =>
    subsetCase(`${policy} within a subset`, {
      subsets: { subset_selectors: [byVersion] },
      endpoints: versions,
      routes: { "/1": { version: "1" } },
      extra: { lb_policy: policy },
      run: async (t) => {
        // One in 2⁵⁹ runs would use only one of them.
        const found = await bodies(t, "/1", 60);
        assert.deepEqual(Object.keys(found).sort(), ["one", "two"]);
      },
    }),
  ),
  ...["RING_HASH", "MAGLEV"].map((policy) =>
    subsetCase(`${policy} within a subset`, {
      subsets: { subset_selectors: [byVersion] },
      endpoints: ["one", "two", "three"].map((name) =>
        host(name, { version: name === "three" ? "2" : "1", hash_key: name }),
      ),
      routeList: selecting(
        { "/1": { version: "1" }, "/2": { version: "2" } },
        {
          hash_policy: [{ header: { header_name: "x-key" } }],
        },
      ),
      extra: { lb_policy: policy },
      run: async (t) => {
        const seen: string[] = [];
        for (const key of "abcdefghijkl") seen.push((await t.get("/1", `x-key: ${key}`)).body);
        assert.equal(seen.join(" "), hashed[policy]);
        assert.equal((await t.get("/2", "x-key: a")).body, "three");
      },
    }),
  ),
  subsetCase("unhealthy hosts of a subset, and its panic", {
    subsets: { subset_selectors: [byVersion], fallback_policy: "ANY_ENDPOINT" },
    endpoints: [
      host("one", { version: "1" }, { health_status: "UNHEALTHY" }),
      host("two", { version: "1" }),
      host("three", { version: "2" }, { health_status: "UNHEALTHY" }),
    ],
    routes: { "/1": { version: "1" }, "/2": { version: "2" }, "/": undefined },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/1", 3), { two: 3 });
      await t.stats({ "cluster.{case}-main.lb_healthy_panic": 0 });
      assert.deepEqual(await bodies(t, "/2", 3), { three: 3 });
      await t.stats({ "cluster.{case}-main.lb_healthy_panic": 3 });
    },
  }),
  subsetCase("a subset without healthy hosts does not fall back", {
    subsets: { subset_selectors: [byVersion], fallback_policy: "ANY_ENDPOINT" },
    endpoints: [
      host("one", { version: "1" }),
      host("two", { version: "2" }, { health_status: "UNHEALTHY" }),
    ],
    routes: { "/2": { version: "2" } },
    extra: { common_lb_config: { healthy_panic_threshold: {} } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/2", 1), { "no healthy upstream": 1 });
      await t.stats(onlyStats({ selected: 1, fallback: 0 }));
    },
  }),
  subsetCase("priorities are those of the subset", {
    subsets: { subset_selectors: [byVersion] },
    groups: [
      group([host("one", { version: "1" })]),
      group([host("two", { version: "1" }), host("three", { version: "2" })], { priority: 1 }),
    ],
    routes: { "/1": { version: "1" }, "/2": { version: "2" } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/1", 4), { one: 4 });
      assert.deepEqual(await bodies(t, "/2", 4), { three: 4 });
    },
  }),
  subsetCase("a retry stays in its subset", {
    subsets: { subset_selectors: [byVersion] },
    endpoints: [host("broken", { version: "1" }), host("one", { version: "1" }), host("two")],
    routeList: selecting(
      { "/": { version: "1" } },
      {
        retry_policy: { retry_on: "5xx", num_retries: 1 },
      },
    ),
    run: async (t) => assert.deepEqual(await bodies(t, "/", 4), { one: 4 }),
  }),
];

/** Localities of 1 and 3; the subset has one of the two hosts of the second. */
const localities = (): readonly JsonObject[] => [
  group([host("one", { version: "1" })], { locality: { zone: "a" }, load_balancing_weight: 2 }),
  group([host("two", { version: "1" }), host("three", { version: "2" })], {
    locality: { zone: "b" },
    load_balancing_weight: 6,
  }),
];
const localityWeighted: JsonObject = {
  common_lb_config: { locality_weighted_lb_config: {} },
};
const weights: readonly ParityCase[] = [
  subsetCase("localities' weights do not count in subsets", {
    subsets: { subset_selectors: [byVersion] },
    groups: localities(),
    routes: { "/": { version: "1" } },
    extra: localityWeighted,
    run: async (t) => assert.deepEqual(await bodies(t, "/", 8), { one: 4, two: 4 }),
  }),
  subsetCase("locality_weight_aware: they do", {
    subsets: { subset_selectors: [byVersion], locality_weight_aware: true },
    groups: localities(),
    routes: { "/": { version: "1" } },
    extra: localityWeighted,
    run: async (t) => assert.deepEqual(await bodies(t, "/", 8), { one: 2, two: 6 }),
  }),
  subsetCase("scale_locality_weight: as far as the subset is the locality", {
    subsets: {
      subset_selectors: [byVersion],
      locality_weight_aware: true,
      scale_locality_weight: true,
    },
    groups: localities(),
    routes: { "/": { version: "1" } },
    extra: localityWeighted,
    run: async (t) => assert.deepEqual(await bodies(t, "/", 10), { one: 4, two: 6 }),
  }),
];

const extensions: readonly ParityCase[] = [
  subsetCase("as an extension", {
    endpoints: versions,
    routes: { "/1": { version: "1" }, "/3": { version: "3" } },
    extra: asExtension({ subset_selectors: [byVersion], fallback_policy: "ANY_ENDPOINT" }),
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/1", 6), { one: 3, two: 3 });
      assert.deepEqual(await bodies(t, "/3", 3), { one: 1, two: 1, three: 1 });
      await t.stats(onlyStats({ selected: 6, fallback: 3 }));
    },
  }),
  subsetCase("allow_redundant_keys: the first selector that the request has the keys of", {
    endpoints: stageAndVersion,
    routes: {
      "/more": { version: "2", zone: "a" },
      "/both": { stage: "dev", version: "1", zone: "a" },
      "/none": { zone: "a" },
    },
    extra: asExtension({
      subset_selectors: [selector(["stage", "version"]), byVersion],
      allow_redundant_keys: true,
    }),
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/more", 2), { two: 2 });
      assert.deepEqual(await bodies(t, "/both", 2), { three: 2 });
      assert.deepEqual(await bodies(t, "/none", 1), { "no healthy upstream": 1 });
    },
  }),
];

parityArea("balancing-subsets-hosts", [...sources, ...underneath, ...weights, ...extensions]);
