import assert from "node:assert/strict";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  extension,
  http,
  type JsonObject,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";

const names = ["one", "two", "three"];
const upstreams: Readonly<Record<string, Script>> = Object.fromEntries(
  names.map((name) => [name, answer(response(200, name))]),
);

const zone = (
  name: string,
  endpoints: readonly JsonObject[],
  extra: JsonObject = {},
): JsonObject => ({ locality: { zone: name }, lb_endpoints: endpoints, ...extra });

/** The proxies: as many in zone a, where this one is, as in zone b. Nobody calls them. */
const here = (
  zones: readonly string[] = ["a", "b"],
  health = "HEALTHY",
  name = "here",
): JsonObject => ({
  name,
  load_assignment: {
    cluster_name: name,
    endpoints: zones.map((of, index) =>
      zone(of, [
        {
          health_status: health,
          endpoint: {
            address: { socket_address: { address: "127.0.0.1", port_value: index + 1 } },
          },
        },
      ]),
    ),
  },
});

const to = (
  zones: readonly JsonObject[],
  extra: JsonObject = {},
  local: readonly JsonObject[] = [],
): CaseConfig =>
  http({
    clusters: [
      ...local,
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: zones },
        ...extra,
      }),
    ],
  });

const zoneAware = (config: JsonObject = {}): JsonObject => ({
  common_lb_config: { zone_aware_lb_config: { min_cluster_size: 2, ...config } },
});

const byExtension = (config: JsonObject): JsonObject => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: extension(
          "envoy.load_balancing_policies.round_robin",
          "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
          { locality_lb_config: { zone_aware_lb_config: { min_cluster_size: 2, ...config } } },
        ),
      },
    ],
  },
});

async function shares(t: CaseContext, requests: number): Promise<Readonly<Record<string, number>>> {
  const client = await t.connect();
  const counts: Record<string, number> = {};
  for (let sent = 0; sent < requests; sent += 1) {
    const { body } = await client.exchange(get("/"));
    counts[body] = (counts[body] ?? 0) + 1;
  }
  return counts;
}

const requestsSent = 600;

/** Five deviations of a binomial either way: one run of 1.7 million goes wrong. */
const ownZoneGets =
  (share: number, more: (t: CaseContext) => Promise<void> = async () => undefined) =>
  async (t: CaseContext): Promise<void> => {
    const { one: count = 0 } = await shares(t, requestsSent);
    const tolerance = 5 * Math.sqrt(requestsSent * share * (1 - share));
    const mean = requestsSent * share;
    assert.ok(
      Math.abs(count - mean) <= tolerance,
      `${count} of ${requestsSent}, not about ${mean}`,
    );
    await more(t);
  };

const onlyOwnZone = async (t: CaseContext): Promise<void> => {
  assert.deepEqual(await shares(t, 30), { one: 30 });
  await t.stats({
    "cluster.{case}-main.lb_zone_routing_all_directly": 30,
    "cluster.{case}-main.lb_zone_routing_cross_zone": 0,
  });
};

const evenly = async (t: CaseContext): Promise<void> =>
  assert.deepEqual({ ...(await shares(t, 30)) }, { one: 15, two: 15 });

async function counted(t: CaseContext, name: string): Promise<void> {
  const value = (await t.stat(`cluster.${t.id}-main.${name}`)) ?? 0;
  assert.ok(value > 0, `${name} is ${value}`);
}

const [one, two, three] = names.map((name) => endpoint(name)) as [
  JsonObject,
  JsonObject,
  JsonObject,
];
/** A third of the hosts is in the own zone, where half of the proxies are. */
const third: readonly JsonObject[] = [zone("a", [one]), zone("b", [two, three])];
const half: readonly JsonObject[] = [zone("b", [two]), zone("a", [one])];
const unhealthy = { ...two, health_status: "UNHEALTHY" };
const heavy = endpoint("one", { load_balancing_weight: 4 });

const node: JsonObject = { id: "n", cluster: "here", locality: { zone: "a" } };
const bootstrap: JsonObject = { node, cluster_manager: { local_cluster_name: "here" } };

const shared: readonly (readonly [string, CaseConfig, ParityCase["run"]])[] = [
  ["enough hosts in the own zone: all stays there", to(half, zoneAware(), [here()]), onlyOwnZone],
  [
    "too few of them: what is over goes where there is room",
    to(third, zoneAware()),
    ownZoneGets(0.6666, async (t) => {
      const sampled = (await t.stat(`cluster.${t.id}-main.lb_zone_routing_sampled`)) ?? 0;
      await t.stats({ "cluster.{case}-main.lb_zone_routing_cross_zone": requestsSent - sampled });
      await counted(t, "lb_recalculate_zone_structures");
    }),
  ],
  [
    "six healthy hosts are needed by default",
    to(half),
    async (t) => {
      await evenly(t);
      await counted(t, "lb_zone_cluster_too_small");
    },
  ],
  ["routing_enabled: none", to(half, zoneAware({ routing_enabled: { value: 0 } })), evenly],
  [
    "routing_enabled: half of the requests",
    to(half, zoneAware({ routing_enabled: { value: 50 } })),
    ownZoneGets(0.75),
  ],
  [
    "no host in the own zone: to where fewer proxies are",
    to([zone("b", [two]), zone("c", [one])], zoneAware()),
    async (t) => {
      assert.deepEqual(await shares(t, 30), { one: 30 });
      await t.stats({ "cluster.{case}-main.lb_zone_routing_cross_zone": 30 });
    },
  ],
  ["one zone only", to([zone("b", [one, two])], zoneAware()), evenly],
  [
    "unhealthy hosts do not count",
    to([zone("a", [one]), zone("b", [unhealthy, three])], zoneAware()),
    onlyOwnZone,
  ],
  [
    "by the weights of localities, where there are any",
    to(
      [
        zone("a", [one], { load_balancing_weight: 1 }),
        zone("b", [two], { load_balancing_weight: 1 }),
      ],
      { common_lb_config: { locality_weighted_lb_config: {} } },
    ),
    evenly,
  ],
  ["RANDOM", to(half, { lb_policy: "RANDOM", ...zoneAware() }), onlyOwnZone],
  ["LEAST_REQUEST", to(half, { lb_policy: "LEAST_REQUEST", ...zoneAware() }), onlyOwnZone],
  [
    "consistent hashing knows no zones",
    to(half, { lb_policy: "MAGLEV", ...zoneAware() }),
    ownZoneGets(0.5),
  ],
  ["as an extension", to(third, byExtension({})), ownZoneGets(0.6666)],
  ["force_local_zone", to(third, byExtension({ force_local_zone: {} })), onlyOwnZone],
  [
    "force_local_zone with more hosts than there are",
    to(third, byExtension({ force_local_zone: { min_size: 2 } })),
    ownZoneGets(0.6666),
  ],
  [
    "locality_basis: the weights of hosts",
    to(
      [zone("a", [heavy]), zone("b", [two, three])],
      byExtension({ locality_basis: "HEALTHY_HOSTS_WEIGHT" }),
    ),
    onlyOwnZone,
  ],
];

const notOk = async (t: CaseContext): Promise<void> => {
  await evenly(t);
  await counted(t, "lb_local_cluster_not_ok");
};

const own: readonly (readonly [string, CaseConfig, ParityCase["run"]])[] = [
  [
    "a local cluster in panic says nothing",
    to(half, zoneAware(), [here(["a", "b"], "UNHEALTHY")]),
    notOk,
  ],
  [
    "a local cluster in panic, where panic is to fail",
    to(half, zoneAware({ fail_traffic_on_panic: true }), [here(["a", "b"], "UNHEALTHY")]),
    async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.equal(await t.logLine(), "503 UH no_healthy_upstream");
      await counted(t, "lb_local_cluster_not_ok");
    },
  ],
  ["a local cluster without the proxy's zone", to(half, zoneAware(), [here(["b", "c"])]), notOk],
  ["a local cluster of one zone", to(half, zoneAware(), [here(["a"])]), evenly],
];

parityArea(
  "zones",
  [
    ...shared.map(([name, config, run]): ParityCase => ({ name, config, upstreams, run })),
    ...own.map(
      ([name, config, run]): ParityCase => ({ name, config, upstreams, run, own: { bootstrap } }),
    ),
    {
      name: "a local cluster that is not there is refused",
      config: to(half),
      upstreams,
      own: { bootstrap, start: false },
      run: async (t) => {
        const { code, output } = await t.command("--mode", "validate");
        assert.equal(code, 1);
        assert.match(output, /local cluster 'here' must be defined/);
      },
    },
  ],
  { bootstrap },
);
