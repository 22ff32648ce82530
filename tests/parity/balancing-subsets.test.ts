import assert from "node:assert/strict";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  http,
  type JsonObject,
  route,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import { proxying } from "./harness/tcp-proxy.ts";

const names = ["one", "two", "three"] as const;

const upstreams: Record<string, Script> = Object.fromEntries(
  names.map((name) => [name, answer(response(200, name))]),
);

const metadata = (values: JsonObject): JsonObject => ({ filter_metadata: { "envoy.lb": values } });

const host = (name: string, values: JsonObject, extra: JsonObject = {}): JsonObject =>
  endpoint(name, { metadata: metadata(values), ...extra });

const hosts = [
  host("one", { version: "1", stage: "prod" }),
  host("two", { version: "2", stage: "prod" }),
  host("three", { version: "2", stage: "test" }),
];

const subsets = (
  config: JsonObject,
  wanted: JsonObject | undefined,
  options: { readonly endpoints?: readonly JsonObject[]; readonly cluster?: JsonObject } = {},
): CaseConfig => ({
  ...http({
    routes: [
      route(
        { prefix: "/" },
        {
          route: {
            cluster: "{case}-main",
            ...(wanted === undefined ? {} : { metadata_match: metadata(wanted) }),
          },
        },
      ),
    ],
    clusters: clusters(config, options),
  }),
});

const clusters = (
  config: JsonObject,
  options: { readonly endpoints?: readonly JsonObject[]; readonly cluster?: JsonObject } = {},
): JsonObject[] => [
  cluster("main", {
    load_assignment: {
      cluster_name: "{case}-main",
      endpoints: [{ lb_endpoints: options.endpoints ?? hosts }],
    },
    lb_subset_config: config,
    ...options.cluster,
  }),
  // The upstreams get no clusters of their own.
  ...names.map((name) => ({
    ...cluster("main"),
    name: `{case}-${name}`,
    load_assignment: { cluster_name: "x" },
  })),
];

/** Who answers six requests. */
async function answers(t: CaseContext): Promise<readonly string[]> {
  const client = await t.connect();
  const bodies = new Set<string>();
  for (let sent = 0; sent < 6; sent += 1) bodies.add((await client.exchange(get("/"))).body);
  return [...bodies].sort();
}

interface Expectation {
  readonly sees: readonly string[];
  readonly stats?: Readonly<Record<string, number>>;
}

const expects = (
  name: string,
  config: CaseConfig,
  { sees, stats = {} }: Expectation,
): ParityCase => ({
  name,
  config,
  upstreams,
  run: async (t) => {
    assert.deepEqual(await answers(t), sees);
    await t.stats(
      Object.fromEntries(
        Object.entries(stats).map(([stat, value]) => [
          `cluster.{case}-main.lb_subsets_${stat}`,
          value,
        ]),
      ),
    );
  },
});

const byVersion = { subset_selectors: [{ keys: ["version"] }] };
const nobody = ["no healthy upstream"];
const everybody = ["one", "three", "two"];

const selection: readonly ParityCase[] = [
  expects("a route chooses one subset", subsets(byVersion, { version: "1" }), {
    sees: ["one"],
    stats: { selected: 6, fallback: 0 },
  }),
  expects("all hosts of a subset take part", subsets(byVersion, { version: "2" }), {
    sees: ["three", "two"],
  }),
  expects(
    "several keys in any order",
    subsets(
      { subset_selectors: [{ keys: ["version", "stage"] }] },
      { version: "2", stage: "test" },
    ),
    { sees: ["three"] },
  ),
  expects(
    "the criteria are those of one selector exactly",
    subsets(byVersion, { version: "1", stage: "prod" }),
    { sees: nobody, stats: { selected: 0 } },
  ),
  expects("a number is not its text", subsets(byVersion, { version: 1 }), { sees: nobody }),
  expects(
    "no selectors: no subsets",
    subsets({ fallback_policy: "NO_FALLBACK" }, { version: "1" }),
    {
      sees: everybody,
    },
  ),
  expects(
    "a selector without keys selects nothing",
    subsets({ subset_selectors: [{ keys: [] }] }, {}),
    {
      sees: nobody,
      stats: { selected: 0 },
    },
  ),
  expects("no criteria and no fallback", subsets(byVersion, undefined), { sees: nobody }),
  {
    name: "a weighted cluster adds to the route's criteria and wins",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            route: {
              weighted_clusters: {
                clusters: [
                  { name: "{case}-main", weight: 1, metadata_match: metadata({ version: "2" }) },
                ],
              },
              metadata_match: metadata({ version: "1", stage: "prod" }),
            },
          },
        ),
      ],
      clusters: clusters({ subset_selectors: [{ keys: ["stage", "version"] }] }),
    }),
    upstreams,
    run: async (t) => assert.deepEqual(await answers(t), ["two"]),
  },
];

const fallback: readonly ParityCase[] = [
  expects(
    "ANY_ENDPOINT",
    subsets({ ...byVersion, fallback_policy: "ANY_ENDPOINT" }, { version: "9" }),
    { sees: everybody, stats: { fallback: 6, selected: 0 } },
  ),
  expects(
    "ANY_ENDPOINT without criteria",
    subsets({ ...byVersion, fallback_policy: "ANY_ENDPOINT" }, undefined),
    {
      sees: everybody,
      stats: { fallback: 6 },
    },
  ),
  expects(
    "DEFAULT_SUBSET",
    subsets(
      { ...byVersion, fallback_policy: "DEFAULT_SUBSET", default_subset: { stage: "test" } },
      { version: "9" },
    ),
    { sees: ["three"], stats: { fallback: 6 } },
  ),
  expects(
    "an empty default subset has nobody",
    subsets(
      { ...byVersion, fallback_policy: "DEFAULT_SUBSET", default_subset: { stage: "none" } },
      { version: "9" },
    ),
    { sees: nobody, stats: { fallback: 0 } },
  ),
  expects(
    "panic_mode_any after an empty default subset",
    subsets(
      {
        ...byVersion,
        fallback_policy: "DEFAULT_SUBSET",
        default_subset: { stage: "none" },
        panic_mode_any: true,
      },
      { version: "9" },
    ),
    { sees: everybody, stats: { fallback: 0, fallback_panic: 6 } },
  ),
  expects(
    "panic_mode_any without a fallback",
    subsets({ ...byVersion, panic_mode_any: true }, { version: "9" }),
    { sees: nobody },
  ),
  expects(
    "a selector's own fallback wins",
    subsets(
      {
        subset_selectors: [{ keys: ["version"], fallback_policy: "NO_FALLBACK" }],
        fallback_policy: "ANY_ENDPOINT",
      },
      { version: "9" },
    ),
    { sees: nobody, stats: { fallback: 0 } },
  ),
  expects(
    "a selector's ANY_ENDPOINT",
    subsets(
      { subset_selectors: [{ keys: ["version"], fallback_policy: "ANY_ENDPOINT" }] },
      { version: "9" },
    ),
    { sees: everybody, stats: { selected: 0, fallback: 0 } },
  ),
  expects(
    "a selector's DEFAULT_SUBSET",
    subsets(
      {
        subset_selectors: [{ keys: ["version"], fallback_policy: "DEFAULT_SUBSET" }],
        default_subset: { version: "1" },
      },
      { version: "9" },
    ),
    { sees: ["one"] },
  ),
  expects(
    "KEYS_SUBSET asks again with fewer keys",
    subsets(
      {
        subset_selectors: [
          {
            keys: ["stage", "version"],
            fallback_policy: "KEYS_SUBSET",
            fallback_keys_subset: ["stage"],
          },
          { keys: ["stage"] },
        ],
      },
      { version: "9", stage: "prod" },
    ),
    { sees: ["one", "two"], stats: { selected: 6 } },
  ),
  expects(
    "a subset of unhealthy hosts panics within itself",
    subsets(
      byVersion,
      { version: "1" },
      {
        endpoints: [
          host("one", { version: "1" }, { health_status: "UNHEALTHY" }),
          host("two", { version: "2" }),
        ],
      },
    ),
    { sees: ["one"] },
  ),
  expects(
    "without panic a subset of unhealthy hosts has nobody, and no fallback",
    subsets(
      { ...byVersion, fallback_policy: "ANY_ENDPOINT" },
      { version: "1" },
      {
        endpoints: [
          host("one", { version: "1" }, { health_status: "UNHEALTHY" }),
          host("two", { version: "2" }),
        ],
        cluster: { common_lb_config: { healthy_panic_threshold: { value: 0 } } },
      },
    ),
    { sees: nobody },
  ),
];

const connections: readonly ParityCase[] = [
  {
    name: "a TCP proxy chooses a subset",
    config: proxying(
      { metadata_match: metadata({ stage: "test" }) },
      clusters({ subset_selectors: [{ keys: ["stage"] }] }),
    ),
    upstreams,
    run: async (t) => {
      for (let sent = 0; sent < 4; sent += 1) assert.equal((await t.get("/")).body, "three");
      await t.stats({ "cluster.{case}-main.lb_subsets_selected": 4 });
    },
  },
  {
    name: "a TCP proxy without criteria takes the fallback",
    config: proxying(
      {},
      clusters({
        subset_selectors: [{ keys: ["stage"] }],
        fallback_policy: "DEFAULT_SUBSET",
        default_subset: { version: "1" },
      }),
    ),
    upstreams,
    run: async (t) => {
      for (let sent = 0; sent < 4; sent += 1) assert.equal((await t.get("/")).body, "one");
      await t.stats({ "cluster.{case}-main.lb_subsets_fallback": 4 });
    },
  },
];

parityArea("balancing-subsets", [...selection, ...fallback, ...connections]);
