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

const named = (...names: readonly string[]): Record<string, Script> =>
  Object.fromEntries(names.map((name) => [name, answer(response(200, name))]));

/** How many of the requests each body answered; refusals by their flags' body. */
async function shares(t: CaseContext, requests: number): Promise<Readonly<Record<string, number>>> {
  const client = await t.connect();
  const counts: Record<string, number> = {};
  for (let sent = 0; sent < requests; sent += 1) {
    const { body } = await client.exchange(get("/"));
    counts[body] = (counts[body] ?? 0) + 1;
  }
  return counts;
}

/** Everything goes to the cluster `main` with these localities. */
const to = (
  localities: readonly JsonObject[],
  extra: JsonObject = {},
  policy: JsonObject = {},
): CaseConfig =>
  http({
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: localities, policy },
        ...extra,
      }),
      // The upstreams get no clusters of their own.
      ...["one", "two", "three"].map((name) => ({
        ...cluster("main"),
        name: `{case}-${name}`,
        load_assignment: { cluster_name: "x" },
      })),
    ],
  });

const group = (endpoints: readonly JsonObject[], extra: JsonObject = {}): JsonObject => ({
  lb_endpoints: endpoints,
  ...extra,
});
const weight = (value: number): JsonObject => ({ load_balancing_weight: value });
const health = (status: string): JsonObject => ({ health_status: status });
const zone = (name: string, value?: number): JsonObject => ({
  locality: { zone: name },
  ...(value === undefined ? {} : weight(value)),
});
const byExtension = (type: string, config: JsonObject = {}): JsonObject => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: extension(
          "envoy.load_balancing_policies",
          `envoy.extensions.load_balancing_policies.${type}`,
          config,
        ),
      },
    ],
  },
});
const panicThreshold = (value: number): JsonObject => ({
  common_lb_config: { healthy_panic_threshold: { value } },
});

const policies: readonly ParityCase[] = [
  {
    name: "round robin is a ring",
    config: to([group([endpoint("one"), endpoint("two"), endpoint("three")])]),
    upstreams: named("one", "two", "three"),
    run: async (t) => assert.deepEqual(sorted(await shares(t, 9)), { one: 3, three: 3, two: 3 }),
  },
  {
    name: "round robin by weight is exact",
    config: to([group([endpoint("one", weight(3)), endpoint("two", weight(1))])]),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(sorted(await shares(t, 16)), { one: 12, two: 4 }),
  },
  {
    name: "a weight counts over localities when those have none",
    config: to([
      group([endpoint("one", weight(3))], zone("a")),
      group([endpoint("two")], zone("b")),
    ]),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(sorted(await shares(t, 16)), { one: 12, two: 4 }),
  },
  {
    name: "random takes every host",
    config: to([group([endpoint("one"), endpoint("two")])], { lb_policy: "RANDOM" }),
    upstreams: named("one", "two"),
    run: async (t) => {
      // One in 2⁵⁹ runs would use only one of them.
      const { one = 0, two = 0 } = await shares(t, 60);
      assert.equal(one + two, 60);
      assert.ok(one > 0 && two > 0);
    },
  },
  {
    name: "least request by weight is exact without load",
    config: to([group([endpoint("one", weight(3)), endpoint("two", weight(1))])], {
      lb_policy: "LEAST_REQUEST",
    }),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(sorted(await shares(t, 16)), { one: 12, two: 4 }),
  },
  {
    name: "least request with a full scan avoids the busy host",
    config: to(
      [group([endpoint("one"), endpoint("two")])],
      byExtension("least_request.v3.LeastRequest", { selection_method: "FULL_SCAN" }),
    ),
    upstreams: { one: slow("one"), two: slow("two") },
    run: async (t) => {
      const waiting = await t.connect();
      await waiting.write(get("/slow"));
      await t.eventually(async () =>
        assert.equal(t.upstream("one").requests.length + t.upstream("two").requests.length, 1),
      );
      const busy = t.upstream("one").requests.length === 1 ? "one" : "two";
      assert.deepEqual(await shares(t, 5), { [busy === "one" ? "two" : "one"]: 5 });
    },
  },
  {
    name: "the extension wins over lb_policy",
    config: to([group([endpoint("one", weight(3)), endpoint("two", weight(1))])], {
      ...byExtension("round_robin.v3.RoundRobin"),
      lb_policy: "RANDOM",
    }),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(sorted(await shares(t, 16)), { one: 12, two: 4 }),
  },
];

/** Answers at once, except /slow, which is never answered. */
function slow(name: string): Script {
  return async (connection) => {
    for (;;) {
      const request = await connection.request();
      if (request === undefined) return connection.end();
      if (!request.raw.startsWith("GET /slow")) await connection.write(response(200, name));
    }
  };
}

function sorted(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Binomial: five deviations either way fail one run in 1.7 million. */
function assertShare(count: number | undefined, requests: number, share: number): void {
  const tolerance = 5 * Math.sqrt(requests * share * (1 - share));
  const mean = requests * share;
  assert.ok(
    Math.abs((count ?? 0) - mean) < tolerance,
    `${count} of ${requests}, not about ${mean}`,
  );
}

const healthCases: readonly ParityCase[] = [
  ...["UNHEALTHY", "DRAINING", "TIMEOUT"].map(
    (status): ParityCase => ({
      name: `an endpoint that is ${status} gets nothing`,
      config: to([
        group([
          endpoint("one", health(status)),
          endpoint("two", health("HEALTHY")),
          endpoint("three"),
        ]),
      ]),
      upstreams: named("one", "two", "three"),
      run: async (t) => {
        assert.deepEqual(sorted(await shares(t, 10)), { three: 5, two: 5 });
        await t.stats({
          "cluster.{case}-main.membership_total": 3,
          "cluster.{case}-main.membership_healthy": 2,
          "cluster.{case}-main.lb_healthy_panic": 0,
        });
      },
    }),
  ),
  {
    name: "a degraded endpoint takes what the healthy ones cannot",
    config: to([group([endpoint("one"), endpoint("two", health("DEGRADED"))])]),
    upstreams: named("one", "two"),
    run: async (t) => {
      assertShare((await shares(t, 400))["one"], 400, 0.7);
      await t.stats({ "cluster.{case}-main.membership_degraded": 1 });
    },
  },
  {
    name: "in panic every endpoint is used, and it is counted",
    config: to([
      group([endpoint("one", health("UNHEALTHY")), endpoint("two", health("UNHEALTHY"))]),
    ]),
    upstreams: named("one", "two"),
    run: async (t) => {
      assert.deepEqual(sorted(await shares(t, 10)), { one: 5, two: 5 });
      await t.stats({
        "cluster.{case}-main.lb_healthy_panic": 10,
        "cluster.{case}-main.membership_healthy": 0,
      });
    },
  },
  {
    name: "exactly at the panic threshold there is no panic",
    config: to([group([endpoint("one", health("UNHEALTHY")), endpoint("two")])]),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await shares(t, 10), { two: 10 }),
  },
  {
    name: "a higher panic threshold panics sooner",
    config: to(
      [group([endpoint("one", health("UNHEALTHY")), endpoint("two")])],
      panicThreshold(51),
    ),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(sorted(await shares(t, 10)), { one: 5, two: 5 }),
  },
  {
    name: "a panic threshold of 0 is 503 UH",
    config: to([group([endpoint("one", health("UNHEALTHY"))])], panicThreshold(0)),
    upstreams: named("one"),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.equal(got.body, "no healthy upstream");
      assert.equal(await t.logLine(), "503 UH no_healthy_upstream");
      await t.stats({
        "cluster.{case}-main.lb_healthy_panic": 0,
        "cluster.{case}-main.upstream_cx_none_healthy": 1,
      });
    },
  },
  {
    name: "fail_traffic_on_panic is 503 UH",
    config: to([group([endpoint("one", health("UNHEALTHY"))])], {
      common_lb_config: { zone_aware_lb_config: { fail_traffic_on_panic: true } },
    }),
    upstreams: named("one"),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.equal(await t.logLine(), "503 UH no_healthy_upstream");
    },
  },
  {
    name: "a cluster without endpoints is 503 UH",
    config: to([]),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.equal(await t.logLine(), "503 UH no_healthy_upstream");
      await t.stats({
        "cluster.{case}-main.membership_total": 0,
        "cluster.{case}-main.upstream_cx_none_healthy": 1,
      });
    },
  },
];

const priorityCases: readonly ParityCase[] = [
  {
    name: "the first priority takes everything while it is healthy",
    config: to([group([endpoint("one")]), group([endpoint("two")], { priority: 1 })]),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await shares(t, 20), { one: 20 }),
  },
  {
    name: "half of the first priority healthy is 70/30",
    config: to([
      group([endpoint("one"), endpoint("three", health("UNHEALTHY"))]),
      group([endpoint("two")], { priority: 1 }),
    ]),
    upstreams: named("one", "two", "three"),
    run: async (t) => {
      const found = await shares(t, 400);
      assert.equal(found["three"], undefined);
      assertShare(found["one"], 400, 0.7);
    },
  },
  {
    name: "overprovisioning_factor 100 makes it 50/50",
    config: to(
      [
        group([endpoint("one"), endpoint("three", health("UNHEALTHY"))]),
        group([endpoint("two")], { priority: 1 }),
      ],
      {},
      { overprovisioning_factor: 100 },
    ),
    upstreams: named("one", "two", "three"),
    run: async (t) => assertShare((await shares(t, 400))["one"], 400, 0.5),
  },
  {
    name: "when the first priority is down the next takes all",
    config: to([
      group([endpoint("one", health("UNHEALTHY"))]),
      group([endpoint("two")], { priority: 1 }),
    ]),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await shares(t, 20), { two: 20 }),
  },
  {
    name: "a gap in the priorities does not matter",
    config: to([group([endpoint("two")], { priority: 3 })]),
    upstreams: named("two"),
    run: async (t) => assert.deepEqual(await shares(t, 5), { two: 5 }),
  },
  {
    name: "localities get their weights exactly",
    config: to([group([endpoint("one")], zone("a", 9)), group([endpoint("two")], zone("b", 1))], {
      common_lb_config: { locality_weighted_lb_config: {} },
    }),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(sorted(await shares(t, 20)), { one: 18, two: 2 }),
  },
  {
    name: "a locality without weight gets nothing",
    config: to([group([endpoint("one")], zone("a", 1)), group([endpoint("two")], zone("b"))], {
      common_lb_config: { locality_weighted_lb_config: {} },
    }),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await shares(t, 10), { one: 10 }),
  },
  {
    name: "locality weights by the extension, scaled by availability",
    config: to(
      [
        group([endpoint("one"), endpoint("three", health("UNHEALTHY"))], zone("a", 1)),
        group([endpoint("two")], zone("b", 1)),
      ],
      byExtension("round_robin.v3.RoundRobin", {
        locality_lb_config: { locality_weighted_lb_config: {} },
      }),
    ),
    upstreams: named("one", "two", "three"),
    run: async (t) => {
      // 0.7 to 1: 14 and 20 of 34.
      const { one = 0, two = 0 } = await shares(t, 34);
      assert.equal(one + two, 34);
      assert.ok(Math.abs(one - 14) <= 1, `${one} of 34`);
    },
  },
  {
    name: "locality weights do not count unless asked for",
    config: to([group([endpoint("one")], zone("a", 9)), group([endpoint("two")], zone("b", 1))]),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(sorted(await shares(t, 10)), { one: 5, two: 5 }),
  },
];

parityArea("clusters-balancing", [...policies, ...healthCases, ...priorityCases]);
