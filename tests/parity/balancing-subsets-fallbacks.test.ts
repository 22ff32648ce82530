/** Subsets of a cluster by endpoint metadata: which one a request gets, and what it gets when there is none. */
import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { http, type JsonObject } from "./harness/config.ts";
import {
  announce,
  asExtension,
  bodies,
  fromFile,
  group,
  host,
  named,
  selecting,
  selector,
  subsetCase,
  subsetClusters,
  versions,
} from "./harness/subsets.ts";

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

const selection: readonly ParityCase[] = [
  subsetCase("a route's metadata picks the subset", {
    subsets: { subset_selectors: [byVersion] },
    endpoints: versions,
    routes: { "/1": { version: "1" }, "/2": { version: "2" } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/1", 6), { one: 3, two: 3 });
      assert.deepEqual(await bodies(t, "/2", 4), { three: 4 });
      await t.stats(onlyStats({ selected: 10, fallback: 0, fallback_panic: 0, removed: 0 }));
    },
  }),
  subsetCase("no fallback: nothing matches, or nothing is asked for", {
    subsets: { subset_selectors: [byVersion], fallback_policy: "NO_FALLBACK" },
    endpoints: versions,
    routes: { "/3": { version: "3" }, "/other": { stage: "prod" }, "/": undefined },
    run: async (t) => {
      for (const path of ["/3", "/other", "/"]) {
        assert.deepEqual(await bodies(t, path, 1), { "no healthy upstream": 1 });
        assert.match(await t.logLine(), /^503 UH no_healthy_upstream/);
      }
      await t.stats(onlyStats({ selected: 0, fallback: 0 }));
    },
  }),
  subsetCase("any endpoint", {
    subsets: { subset_selectors: [byVersion], fallback_policy: "ANY_ENDPOINT" },
    endpoints: versions,
    routes: { "/1": { version: "1" }, "/3": { version: "3" }, "/": undefined },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/3", 6), { one: 2, two: 2, three: 2 });
      assert.deepEqual(await bodies(t, "/", 3), { one: 1, two: 1, three: 1 });
      assert.deepEqual(await bodies(t, "/1", 2), { one: 1, two: 1 });
      await t.stats(onlyStats({ selected: 2, fallback: 9 }));
    },
  }),
  subsetCase("the default subset", {
    subsets: {
      subset_selectors: [byVersion],
      fallback_policy: "DEFAULT_SUBSET",
      default_subset: { stage: "prod" },
    },
    endpoints: stageAndVersion,
    routes: { "/": undefined, "/3": { version: "3" } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/", 4), { one: 2, two: 2 });
      assert.deepEqual(await bodies(t, "/3", 2), { one: 1, two: 1 });
      await t.stats(onlyStats({ fallback: 6 }));
    },
  }),
  subsetCase("an empty default subset is every host", {
    subsets: { subset_selectors: [byVersion], fallback_policy: "DEFAULT_SUBSET" },
    endpoints: [...versions.slice(0, 2), host("three")],
    routes: { "/": undefined },
    run: async (t) => assert.deepEqual(await bodies(t, "/", 6), { one: 2, two: 2, three: 2 }),
  }),
  subsetCase("a default subset that nobody is in", {
    subsets: {
      subset_selectors: [byVersion],
      fallback_policy: "DEFAULT_SUBSET",
      default_subset: { stage: "none" },
    },
    endpoints: versions,
    routes: { "/": undefined },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/", 1), { "no healthy upstream": 1 });
      await t.stats(onlyStats({ fallback: 0 }));
      await t.stats({ "cluster.{case}-main.lb_healthy_panic": 1 });
    },
  }),
  subsetCase("panic_mode_any takes every host then", {
    subsets: {
      subset_selectors: [byVersion],
      fallback_policy: "DEFAULT_SUBSET",
      default_subset: { stage: "none" },
      panic_mode_any: true,
    },
    endpoints: versions,
    routes: { "/": undefined },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/", 6), { one: 2, two: 2, three: 2 });
      await t.stats(onlyStats({ fallback: 0, fallback_panic: 6 }));
    },
  }),
  subsetCase("panic_mode_any is no fallback of its own", {
    subsets: { subset_selectors: [byVersion], panic_mode_any: true },
    endpoints: versions,
    routes: { "/": undefined },
    run: async (t) => assert.deepEqual(await bodies(t, "/", 1), { "no healthy upstream": 1 }),
  }),
  subsetCase("a selector wants all its keys and no other", {
    subsets: { subset_selectors: [selector(["version", "stage"])] },
    endpoints: stageAndVersion,
    routes: {
      "/both": { version: "1", stage: "prod" },
      "/one": { stage: "prod" },
      "/more": { version: "1", stage: "prod", zone: "a" },
    },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/both", 2), { one: 2 });
      assert.deepEqual(await bodies(t, "/one", 1), { "no healthy upstream": 1 });
      assert.deepEqual(await bodies(t, "/more", 1), { "no healthy upstream": 1 });
    },
  }),
  subsetCase("several selectors, one in another", {
    subsets: { subset_selectors: [selector(["stage", "version"]), selector(["stage"])] },
    endpoints: stageAndVersion,
    routes: {
      "/both": { stage: "prod", version: "2" },
      "/stage": { stage: "prod" },
      "/version": { version: "1" },
    },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/both", 2), { two: 2 });
      assert.deepEqual(await bodies(t, "/stage", 4), { one: 2, two: 2 });
      assert.deepEqual(await bodies(t, "/version", 1), { "no healthy upstream": 1 });
    },
  }),
  subsetCase("values are compared as they are", {
    subsets: { subset_selectors: [selector(["v"])] },
    endpoints: [
      host("one", { v: 1 }),
      host("two", { v: "1" }),
      host("three", { v: { a: [1, null], b: true } }),
    ],
    routes: {
      "/number": { v: 1 },
      "/text": { v: "1" },
      "/object": { v: { b: true, a: [1, null] } },
      "/truth": { v: true },
    },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/number", 2), { one: 2 });
      assert.deepEqual(await bodies(t, "/text", 2), { two: 2 });
      assert.deepEqual(await bodies(t, "/object", 2), { three: 2 });
      assert.deepEqual(await bodies(t, "/truth", 1), { "no healthy upstream": 1 });
    },
  }),
  subsetCase("a list is one value", {
    subsets: { subset_selectors: [byVersion] },
    endpoints: [host("one", { version: ["1", "2"] }), host("two", { version: "2" })],
    routes: { "/2": { version: "2" }, "/list": { version: ["1", "2"] } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/2", 2), { two: 2 });
      assert.deepEqual(await bodies(t, "/list", 2), { one: 2 });
    },
  }),
  subsetCase("list_as_any: a list is each of its values", {
    subsets: {
      subset_selectors: [selector(["stage", "version"])],
      list_as_any: true,
      fallback_policy: "DEFAULT_SUBSET",
      default_subset: { version: "3" },
    },
    endpoints: [
      host("one", { version: ["1", "2"], stage: ["a", "b"] }),
      host("two", { version: "2", stage: "a" }),
      host("three", { version: ["4", "3"] }),
    ],
    routes: {
      "/2a": { version: "2", stage: "a" },
      "/1b": { version: "1", stage: "b" },
      "/": undefined,
    },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/2a", 4), { one: 2, two: 2 });
      assert.deepEqual(await bodies(t, "/1b", 2), { one: 2 });
      assert.deepEqual(await bodies(t, "/", 2), { three: 2 });
    },
  }),
  subsetCase("one host for each subset", {
    subsets: {
      subset_selectors: [{ keys: ["id"], single_host_per_subset: true }],
    },
    endpoints: [host("one", { id: "a" }), host("two", { id: "a" }), host("three", { id: "c" })],
    routes: { "/a": { id: "a" }, "/c": { id: "c" } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/a", 3), { one: 3 });
      assert.deepEqual(await bodies(t, "/c", 3), { three: 3 });
      await t.stats(onlyStats({ selected: 6, single_host_per_subset_duplicate: 1 }));
    },
  }),
  subsetCase("one host for each subset: of the first priority that has one", {
    subsets: { subset_selectors: [{ keys: ["id"], single_host_per_subset: true }] },
    groups: [
      group([host("one", { id: "a" })], { priority: 1 }),
      group([host("two", { id: "a" }), host("three", { id: "b" })]),
    ],
    routes: { "/a": { id: "a" }, "/b": { id: "b" } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/a", 3), { two: 3 });
      assert.deepEqual(await bodies(t, "/b", 3), { three: 3 });
    },
  }),
  subsetCase("two selectors of the same keys: the first says whether there is one host", {
    subsets: {
      subset_selectors: [byVersion, { keys: ["version"], single_host_per_subset: true }],
    },
    endpoints: versions,
    routes: { "/": { version: "1" } },
    run: async (t) => assert.deepEqual(await bodies(t, "/", 4), { one: 2, two: 2 }),
  }),
  subsetCase("an empty list is no value", {
    subsets: { subset_selectors: [byVersion], list_as_any: true, fallback_policy: "NO_FALLBACK" },
    endpoints: [host("one", { version: [] }), host("two", { version: "1" })],
    routes: { "/": { version: [] }, "/1": { version: "1" } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/", 1), { "no healthy upstream": 1 });
      assert.deepEqual(await bodies(t, "/1", 2), { two: 2 });
    },
  }),
  subsetCase("one host for each subset, whatever its health", {
    subsets: { subset_selectors: [{ keys: ["id"], single_host_per_subset: true }] },
    endpoints: [host("one", { id: "a" }, { health_status: "UNHEALTHY" }), host("two", { id: "b" })],
    routes: { "/a": { id: "a" } },
    extra: { common_lb_config: { healthy_panic_threshold: {} } },
    run: async (t) => assert.deepEqual(await bodies(t, "/a", 3), { one: 3 }),
  }),
];

const fallbacks: readonly ParityCase[] = [
  subsetCase("a selector's own fallback wins over the cluster's", {
    subsets: {
      subset_selectors: [
        selector(["a"], "ANY_ENDPOINT"),
        selector(["b"], "DEFAULT_SUBSET"),
        selector(["c"], "NO_FALLBACK"),
        selector(["d"]),
      ],
      fallback_policy: "DEFAULT_SUBSET",
      default_subset: { version: "2" },
    },
    endpoints: versions,
    routes: { "/a": { a: "x" }, "/b": { b: "x" }, "/c": { c: "x" }, "/d": { d: "x" } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/a", 3), { one: 1, two: 1, three: 1 });
      assert.deepEqual(await bodies(t, "/b", 2), { three: 2 });
      assert.deepEqual(await bodies(t, "/c", 1), { "no healthy upstream": 1 });
      assert.deepEqual(await bodies(t, "/d", 2), { three: 2 });
      // Only the cluster's own policy is counted.
      await t.stats(onlyStats({ fallback: 2 }));
    },
  }),
  subsetCase("fewer keys, then fewer still, then the cluster's policy", {
    subsets: {
      subset_selectors: [
        selector(["b", "a"], "KEYS_SUBSET", ["b"]),
        selector(["a", "b", "c"], "KEYS_SUBSET", ["a", "b"]),
        selector(["b"]),
      ],
      fallback_policy: "ANY_ENDPOINT",
    },
    endpoints: [
      host("one", { a: "1", b: "1", c: "1" }),
      host("two", { a: "1", b: "2", c: "2" }),
      host("three", { b: "3" }),
    ],
    routes: {
      "/all": { a: "1", b: "1", c: "1" },
      "/ab": { a: "1", b: "2", c: "9" },
      "/b": { a: "9", b: "3", c: "9" },
      "/none": { a: "9", b: "9", c: "9" },
    },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/all", 2), { one: 2 });
      assert.deepEqual(await bodies(t, "/ab", 2), { two: 2 });
      assert.deepEqual(await bodies(t, "/b", 2), { three: 2 });
      assert.deepEqual(await bodies(t, "/none", 3), { one: 1, two: 1, three: 1 });
      await t.stats(onlyStats({ selected: 6, fallback: 3 }));
    },
  }),
  subsetCase("a selector whose keys begin an earlier one's has no fallback of its own", {
    subsets: {
      subset_selectors: [
        selector(["a", "b"], "NO_FALLBACK"),
        selector(["a"], "NO_FALLBACK"),
        selector(["b"], "NO_FALLBACK"),
      ],
      fallback_policy: "ANY_ENDPOINT",
    },
    endpoints: versions,
    routes: { "/a": { a: "x" }, "/b": { b: "x" }, "/ab": { a: "x", b: "x" } },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/a", 3), { one: 1, two: 1, three: 1 });
      for (const path of ["/b", "/ab"])
        assert.deepEqual(await bodies(t, path, 1), { "no healthy upstream": 1 });
    },
  }),
  subsetCase("a list of metadata to try one after the other", {
    subsets: { subset_selectors: [byVersion], metadata_fallback_policy: "FALLBACK_LIST" },
    endpoints: versions,
    routes: {
      "/second": { version: "1", fallback_list: [{ version: "9" }, { version: "2" }] },
      "/none": { version: "1", fallback_list: [{ version: "9" }] },
      "/own": { version: "2", fallback_list: [{}, { version: "1" }] },
      "/plain": { version: "2" },
    },
    run: async (t) => {
      assert.deepEqual(await bodies(t, "/second", 2), { three: 2 });
      assert.deepEqual(await bodies(t, "/none", 1), { "no healthy upstream": 1 });
      assert.deepEqual(await bodies(t, "/own", 2), { three: 2 });
      assert.deepEqual(await bodies(t, "/plain", 2), { three: 2 });
    },
  }),
  subsetCase("without that policy the list is a key like others", {
    subsets: { subset_selectors: [byVersion] },
    endpoints: versions,
    routes: { "/": { version: "1", fallback_list: [{ version: "2" }] } },
    run: async (t) => assert.deepEqual(await bodies(t, "/", 1), { "no healthy upstream": 1 }),
  }),
];

/** `each`: how often a subset is counted. */
const comeAndGo =
  (each: number): ParityCase["run"] =>
  async (t) => {
    const ask = async (path: string): Promise<string> => (await t.get(path)).body;
    assert.equal(await ask("/1"), "one");
    assert.equal(await ask("/2"), "no healthy upstream");
    await t.stats(onlyStats({ active: each, created: each, removed: 0 }));
    announce(t, { one: { version: "2" }, two: { version: "1" } });
    await t.eventually(async () => assert.equal(await ask("/2"), "one"));
    assert.equal(await ask("/1"), "two");
    announce(t, { one: { version: "2" } });
    await t.eventually(async () => assert.equal(await ask("/1"), "no healthy upstream"));
    await t.stats(onlyStats({ active: each, created: 2 * each, removed: each }));
  };
const changes: readonly ParityCase[] = [
  {
    name: "subsets come and go with what endpoints say",
    config: http({
      routes: selecting({ "/1": { version: "1" }, "/2": { version: "2" } }),
      clusters: [
        fromFile({ subset_selectors: [byVersion] }),
        ...subsetClusters(undefined, []).slice(1),
      ],
    }),
    upstreams: named,
    own: { bootstrap: { node: { id: "node", cluster: "cluster" } } },
    prepare: (t) => announce(t, { one: { version: "1" } }),
    run: comeAndGo(2),
    heddle: { difference: "Subsets are counted once", run: comeAndGo(1) },
  },
];

const refuses = (name: string, cluster: JsonObject, reason: RegExp): ParityCase => ({
  name: `refused: ${name}`,
  config: http({ routes: selecting({}), clusters: subsetClusters(undefined, [], cluster) }),
  upstreams: named,
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1);
    assert.match(output, reason);
  },
});
const withSelector = (one: JsonObject): JsonObject => ({
  lb_subset_config: { subset_selectors: [one] },
});
const refusals: readonly ParityCase[] = [
  refuses(
    "fewer keys without their policy",
    withSelector(selector(["a", "b"], "ANY_ENDPOINT", ["a"])),
    /fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy/,
  ),
  refuses(
    "locality weights that the cluster does not use",
    { lb_subset_config: { subset_selectors: [byVersion], locality_weight_aware: true } },
    /requires that a locality_weighted_lb_config be set/,
  ),
  refuses(
    "beside an extension",
    { ...withSelector(byVersion), ...asExtension({ subset_selectors: [byVersion] }) },
    /load_balancing_policy cannot be combined with lb_subset_config/,
  ),
  refuses(
    "an extension without a policy underneath",
    asExtension({ subset_selectors: [byVersion], subset_lb_policy: { policies: [] } }),
    /subset lb|subset_lb_policy/,
  ),
];

parityArea("balancing-subsets-fallbacks", [...selection, ...fallbacks, ...changes, ...refusals]);
