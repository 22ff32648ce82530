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
  route,
  toCluster,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";

const named = (...names: readonly string[]): Record<string, Script> =>
  Object.fromEntries(names.map((name) => [name, answer(response(200, name))]));

const aggregate = (clusters: readonly string[], extra: JsonObject = {}): JsonObject => ({
  name: "{case}-all",
  connect_timeout: "1s",
  lb_policy: "CLUSTER_PROVIDED",
  cluster_type: extension(
    "envoy.clusters.aggregate",
    "envoy.extensions.clusters.aggregate.v3.ClusterConfig",
    { clusters: clusters.map((name) => `{case}-${name}`) },
  ),
  ...extra,
});

const withHealth = (name: string, health: string, extra: JsonObject = {}): JsonObject =>
  cluster(name, {
    load_assignment: {
      cluster_name: `{case}-${name}`,
      endpoints: [{ lb_endpoints: [endpoint(name, { health_status: health })] }],
    },
    ...extra,
  });

const to = (clusters: readonly JsonObject[], all = aggregate(["one", "two"])): CaseConfig =>
  http({
    clusters: [...clusters, all],
    routes: [route({ prefix: "/" }, toCluster("all"))],
    logFormat: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER%",
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

const cases: readonly ParityCase[] = [
  {
    name: "the first cluster takes all while it is healthy",
    config: to([withHealth("one", "HEALTHY"), withHealth("two", "HEALTHY")]),
    upstreams: named("one", "two"),
    run: async (t) => {
      assert.deepEqual(await shares(t, 20), { one: 20 });
      assert.equal((await t.log(20))[0], `200 - via_upstream ${t.id}-all`);
      await t.stats({
        "cluster.{case}-all.upstream_rq_200": 20,
        "cluster.{case}-all.upstream_rq_total": 0,
        "cluster.{case}-one.upstream_rq_total": 20,
        "cluster.{case}-one.upstream_rq_completed": 0,
        "cluster.{case}-one.upstream_cx_total": 1,
        "cluster.{case}-all.upstream_cx_total": 0,
        "cluster.{case}-two.upstream_rq_total": 0,
      });
    },
  },
  {
    name: "the second one, when the first has no healthy host",
    config: to([withHealth("one", "UNHEALTHY"), withHealth("two", "HEALTHY")]),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await shares(t, 20), { two: 20 }),
  },
  {
    name: "in the order of the list",
    config: to(
      [withHealth("one", "HEALTHY"), withHealth("two", "HEALTHY")],
      aggregate(["two", "one"]),
    ),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await shares(t, 20), { two: 20 }),
  },
  {
    name: "degraded hosts take what healthy ones of any cluster cannot",
    config: to([withHealth("one", "DEGRADED"), withHealth("two", "HEALTHY")]),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await shares(t, 20), { two: 20 }),
  },
  {
    name: "a cluster that is not there is passed over",
    config: to(
      [withHealth("one", "HEALTHY"), withHealth("two", "HEALTHY")],
      aggregate(["nobody", "one"]),
    ),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await shares(t, 20), { one: 20 }),
  },
  {
    name: "without any host there is no healthy upstream",
    config: to([withHealth("one", "HEALTHY"), withHealth("two", "HEALTHY")], aggregate(["nobody"])),
    upstreams: named("one", "two"),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.equal(await t.logLine(), `503 UH no_healthy_upstream ${t.id}-all`);
    },
  },
  {
    name: "another balancer is refused",
    config: to(
      [withHealth("one", "HEALTHY"), withHealth("two", "HEALTHY")],
      aggregate(["one"], { lb_policy: "ROUND_ROBIN" }),
    ),
    upstreams: named("one", "two"),
    own: { start: false },
    run: async (t) => assert.equal((await t.command("--mode", "validate")).code, 1),
  },
];

parityArea("aggregate", cases);
