import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { http, type JsonObject, route, toCluster } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { byKey, hashing, hosts, mapping } from "./harness/hashing.ts";

/** Envoy wants a node as soon as there is any discovery but DNS. */
const withNode = { start: false, bootstrap: { node: { id: "node", cluster: "cluster" } } };

/** Endpoints in a file, known to the balancer by `hash_key`. */
function discover(t: CaseContext, names: string): void {
  const endpoints = [...names].map((name) => ({
    endpoint: {
      address: { socket_address: { address: "127.0.0.1", port_value: t.upstream(name).port } },
    },
    metadata: { filter_metadata: { "envoy.lb": { hash_key: `host-${name}` } } },
  }));
  const text = JSON.stringify({
    version_info: names,
    resources: [
      {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name: `${t.id}-main`,
        endpoints: [{ lb_endpoints: endpoints }],
      },
    ],
  });
  writeFileSync(join(t.folder, "next"), text);
  renameSync(join(t.folder, "next"), join(t.folder, "eds.json"));
}

/** Scales from three hosts to five and back to three; with Maglev hardly any key goes from one that stays to another. */
const scaling = (
  name: string,
  main: JsonObject,
  expected: { readonly abc: string; readonly abcde: string },
): ParityCase => ({
  name: `scaling out and in: ${name}`,
  config: http({
    routes: [route({ prefix: "/" }, toCluster("main", { hash_policy: [byKey] }))],
    clusters: [
      {
        name: "{case}-main",
        type: "EDS",
        eds_cluster_config: {
          eds_config: { path_config_source: { path: "{folder}/eds.json" } },
        },
        ...main,
      },
    ],
  }),
  upstreams: hosts,
  own: withNode,
  run: async (t) => {
    discover(t, "abc");
    await t.start();
    assert.equal(await mapping(t), expected.abc);
    // Workers learn of it after the gauges.
    discover(t, "abcde");
    await t.eventually(async () => assert.equal(await mapping(t), expected.abcde));
    discover(t, "abc");
    await t.eventually(async () => assert.equal(await mapping(t), expected.abc));
  },
});

const failing: Script = answer(response(500, "-"));

/** A host that fails is ejected: its keys go where they would if it had never been there. */
const ejecting = (
  name: string,
  main: JsonObject,
  { failingKey, expected }: { readonly failingKey: string; readonly expected: string },
): ParityCase => ({
  name: `ejecting: ${name}`,
  config: hashing({
    ...main,
    outlier_detection: {
      consecutive_5xx: 2,
      enforcing_consecutive_5xx: 100,
      max_ejection_percent: 100,
      base_ejection_time: "3600s",
      interval: "3600s",
    },
  }),
  upstreams: { ...hosts, c: failing },
  run: async (t) => {
    for (const key of [failingKey, failingKey])
      assert.equal((await t.get("/", `x-key: ${key}`)).status, 500);
    await t.stats({ "cluster.{case}-main.outlier_detection.ejections_active": 1 });
    await t.eventually(async () => assert.equal(await mapping(t), expected));
  },
});

parityArea("balancing-hash-changes", [
  scaling(
    "ring hash",
    { lb_policy: "RING_HASH" },
    {
      abc: "babbaccbbbbcbabcbbacbaabbcacccccaaacbbccbaabccabbbcbacabbcbcabbcbcbbccbbaccbccaccbccbccbbaabcbbabbbc",
      abcde:
        "aecdeccebbdceebcbcdebadebcceeccbaeadebececabccabedcddcacbcbcdabceecbbebecdbeecabcbeddbebbbabddcadbbd",
    },
  ),
  scaling(
    "maglev",
    { lb_policy: "MAGLEV" },
    {
      abc: "aabacabbbacaaabbbcbccbbbaaaabcaabbccbaacbabcbabcbabccbabbcabcbcbaacaaabaacaacabbbbacaacbbaabbccbbaab",
      abcde:
        "aabdceddedeaaabbbebccebbaadabcdaeeeceeaebedcbeecbaddebabdcddedebaeeaadbedcaaddebbdaceedbbdabbccbedab",
    },
  ),
  ejecting(
    "ring hash",
    { lb_policy: "RING_HASH" },
    {
      failingKey: "key-6",
      expected:
        "beddeadebbdaeebdbddebadebaeeedabaeadebedeaaeadabededdbadbbdaaabdbedbbebdddeeebabdbeddbebbaabdddadbbd",
    },
  ),
  ejecting(
    "maglev",
    { lb_policy: "MAGLEV" },
    {
      failingKey: "key-4",
      expected:
        "aabdeeddedeaaabbbebeaebbaadabbdaeeedeeaebedebeeabaddebabddddedebaeeaadbedbaaddebbdaaeedbbdabbbebedab",
    },
  ),
]);
