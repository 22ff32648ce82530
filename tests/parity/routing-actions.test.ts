import assert from "node:assert/strict";
import { answer, byHand, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  cluster,
  direct,
  extension,
  header,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));
const named = (...names: readonly string[]): Record<string, Script> =>
  Object.fromEntries(names.map((name) => [name, answer(response(200, name))]));

/** How many of the requests each body answered. */
async function distribution(
  t: CaseContext,
  requests: number,
): Promise<Readonly<Record<string, number>>> {
  const client = await t.connect();
  const counts: Record<string, number> = {};
  for (let sent = 0; sent < requests; sent += 1) {
    const { body } = await client.exchange(get("/"));
    counts[body] = (counts[body] ?? 0) + 1;
  }
  return counts;
}

const weighted = (clusters: readonly JsonObject[], extra: JsonObject = {}): JsonObject => ({
  route: { weighted_clusters: { clusters, ...extra } },
});
const weight = (name: string, value: number, extra: JsonObject = {}): JsonObject => ({
  name: `{case}-${name}`,
  weight: value,
  ...extra,
});

const clusterChoice: readonly ParityCase[] = [
  {
    name: "weighted clusters share requests by weight",
    config: http({
      routes: [route({ prefix: "/" }, weighted([weight("one", 30), weight("two", 70)]))],
    }),
    upstreams: named("one", "two"),
    run: async (t) => {
      // Binomial with n = 400 and p = 0.3: mean 120, deviation 9.2. Five deviations either way fail one run in 1.7 million.
      const { one = 0, two = 0 } = await distribution(t, 400);
      assert.equal(one + two, 400);
      assert.ok(one > 74 && one < 166, `${one} of 400`);
    },
  },
  {
    name: "a weighted cluster of weight 0 gets nothing",
    config: http({
      routes: [route({ prefix: "/" }, weighted([weight("one", 0), weight("two", 1)]))],
    }),
    upstreams: named("one", "two"),
    run: async (t) => assert.deepEqual(await distribution(t, 20), { two: 20 }),
  },
  {
    name: "a weighted cluster may be named by a header",
    config: http({
      routes: [route({ prefix: "/" }, weighted([{ cluster_header: "x-cluster", weight: 1 }]))],
    }),
    upstreams: named("one"),
    run: async (t) => {
      assert.equal((await t.get("/", t.fill("x-cluster: {case}-one"))).body, "one");
      assert.equal((await t.get("/")).status, 503);
    },
  },
  {
    name: "header_name of weighted clusters takes the random number from a header",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          weighted([weight("one", 30), weight("two", 70)], { header_name: "x-random" }),
        ),
      ],
    }),
    upstreams: named("one", "two"),
    run: async (t) => {
      for (const [value, body] of [
        ["0", "one"],
        ["29", "one"],
        ["30", "two"],
        ["99", "two"],
        ["100", "one"],
        ["130", "two"],
      ] as const) {
        assert.equal((await t.get("/", `x-random: ${value}`)).body, body, value);
      }
    },
  },
  {
    name: "cluster_header names the cluster",
    config: http({ routes: [route({ prefix: "/" }, { route: { cluster_header: "x-cluster" } })] }),
    upstreams: named("one", "two"),
    run: async (t) => {
      assert.equal((await t.get("/", t.fill("x-cluster: {case}-two"))).body, "two");
      assert.equal((await t.get("/", t.fill("x-cluster: {case}-one"))).body, "one");
    },
  },
  {
    name: "cluster_header without the header is 503 NC",
    config: http({ routes: [route({ prefix: "/" }, { route: { cluster_header: "x-cluster" } })] }),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.equal(got.body, "");
      assert.equal(await t.logLine(), "503 NC cluster_not_found");
    },
  },
  {
    name: "cluster_header with an unknown cluster is 503 NC",
    config: http({ routes: [route({ prefix: "/" }, { route: { cluster_header: "x-cluster" } })] }),
    run: async (t) => {
      assert.equal((await t.get("/", "x-cluster: nobody")).status, 503);
      assert.equal(await t.logLine(), "503 NC cluster_not_found");
      await t.stats({ "http.{case}.no_cluster": 1 });
    },
  },
  ...(
    [
      ["NOT_FOUND", 404],
      ["INTERNAL_SERVER_ERROR", 500],
    ] as const
  ).map(
    ([code, status]): ParityCase => ({
      name: `cluster_not_found_response_code ${code}`,
      config: http({
        routeConfig: { validate_clusters: false },
        routes: [
          route(
            { prefix: "/" },
            { route: { cluster: "nobody", cluster_not_found_response_code: code } },
          ),
        ],
      }),
      run: async (t) => {
        assert.equal((await t.get("/")).status, status);
        assert.equal(await t.logLine(), `${status} NC cluster_not_found`);
      },
    }),
  ),
  {
    name: "no virtual host matches: 404 NR, counted as no_route",
    config: http({ virtualHosts: [virtualHost("one", ["one.test"], [route()])] }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 404);
      assert.equal(await t.logLine(), "404 NR route_not_found");
      await t.stats({ "http.{case}.no_route": 1, "http.{case}.downstream_rq_4xx": 1 });
    },
  },
  {
    name: "metadata_match and a route name are in the access log",
    config: http({
      logFormat: "%ROUTE_NAME% %UPSTREAM_CLUSTER% %RESPONSE_CODE%",
      routes: [route({ prefix: "/" }, { name: "the-route", ...toCluster() })],
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      assert.equal(await t.logLine(), `the-route ${t.id}-main 200`);
    },
  },
];

const timeouts: readonly ParityCase[] = [
  {
    name: "a route's timeout is 504 UT",
    config: http({ routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.1s" }))] }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(get("/"));
      assert.equal(got.status, 504);
      assert.equal(got.body, "upstream request timeout");
      assert.equal(await t.logLine(), "504 UT response_timeout");
      // The upstream connection cannot be used again, the client's can.
      await (await t.upstream().connection()).ended();
      assert.equal(client.state, "open");
      await t.stats({
        "cluster.{case}-main.upstream_rq_timeout": 1,
        "cluster.{case}-main.upstream_rq_504": 1,
      });
    },
  },
  {
    name: "a route's timeout starts when the request is complete",
    config: http({ routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.15s" }))] }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.write(
        lines("POST / HTTP/1.1", "host: h", "content-length: 60"),
        ..."0123456789".repeat(6),
      );
      assert.equal((await client.response()).status, 200);
    },
  },
  {
    name: "a timeout in mid-response resets the client",
    config: http({ routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.4s" }))] }),
    upstream: async (connection) => {
      await connection.request();
      await connection.write(lines("HTTP/1.1 200 OK", "content-length: 10").concat("part"));
    },
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      await client.readThrough("part");
      await client.ended();
      assert.equal(client.unread, "");
      assert.equal(await t.logLine(), "200 UT response_timeout");
    },
  },
  {
    name: "a timeout of 0 sends no expected time",
    config: http({ routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0s" }))] }),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      assert.ok(!t.upstream().received.includes("x-envoy-expected-rq-timeout-ms"));
    },
  },
  {
    name: "the route's timeout is told to the upstream",
    config: http({ routes: [route({ prefix: "/" }, toCluster("main", { timeout: "2.5s" }))] }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-envoy-upstream-rq-timeout-ms: 100");
      assert.match(t.upstream().received, /\r\nx-envoy-expected-rq-timeout-ms: 2500\r\n/);
      assert.ok(!t.upstream().received.includes("x-envoy-upstream-rq-timeout-ms"));
    },
  },
  {
    name: "a route's idle_timeout is 504 SI",
    config: http({ routes: [route({ prefix: "/" }, toCluster("main", { idle_timeout: "0.1s" }))] }),
    upstream: byHand(),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 504);
      assert.equal(got.body, "stream timeout");
      assert.equal(await t.logLine(), "504 SI stream_idle_timeout");
    },
  },
  {
    name: "a route's max_stream_duration ends the stream",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", {
            timeout: "0s",
            max_stream_duration: { max_stream_duration: "0.1s" },
          }),
        ),
      ],
    }),
    upstream: byHand(),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 504);
      assert.equal(await t.logLine(), "504 - max_duration_timeout");
    },
  },
  {
    name: "a gRPC request that times out is answered in gRPC's form",
    config: http({ routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.1s" }))] }),
    upstream: byHand(),
    run: async (t) => {
      const got = await t.send(
        lines("POST / HTTP/1.1", "host: h", "content-length: 0", "content-type: application/grpc"),
      );
      assert.equal(got.status, 200);
      assert.equal(got.header("grpc-status"), "14");
      assert.equal(got.header("grpc-message"), "upstream request timeout");
    },
  },
];

const rbacDeny = extension(
  "envoy.filters.http.rbac",
  "envoy.extensions.filters.http.rbac.v3.RBAC",
  {
    rules: {
      action: "DENY",
      policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } },
    },
  },
);
const rbacOff = {
  typed_per_filter_config: {
    "envoy.filters.http.rbac": {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    },
  },
};
const filterOff = {
  typed_per_filter_config: {
    "envoy.filters.http.rbac": {
      "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
      disabled: true,
    },
  },
};

const policies: readonly ParityCase[] = [
  {
    name: "a filter's configuration on a route overrides the chain's",
    config: http({
      filters: [rbacDeny],
      routes: [
        route({ prefix: "/open" }, { ...direct("open"), ...rbacOff }),
        route({ prefix: "/" }, direct("never")),
      ],
    }),
    run: async (t) => {
      assert.equal((await t.get("/open")).body, "open");
      const denied = await t.get("/");
      assert.equal(denied.status, 403);
      assert.equal(denied.body, "RBAC: access denied");
      assert.equal((await t.log(2))[1], "403 - rbac_access_denied_matched_policy[all]");
    },
  },
  {
    name: "a filter may be disabled on a route and on a virtual host",
    config: http({
      filters: [rbacDeny],
      virtualHosts: [
        virtualHost(
          "one",
          ["one.test"],
          [
            route({ prefix: "/open" }, { ...direct("open"), ...filterOff }),
            route({ prefix: "/" }, direct("never")),
          ],
        ),
        virtualHost("two", ["two.test"], [route({ prefix: "/" }, direct("two"))], filterOff),
      ],
    }),
    run: async (t) => {
      const send = (host: string, path: string) =>
        t.send(lines(`GET ${path} HTTP/1.1`, `host: ${host}`));
      assert.equal((await send("one.test", "/open")).body, "open");
      assert.equal((await send("one.test", "/")).status, 403);
      assert.equal((await send("two.test", "/")).body, "two");
    },
  },
  {
    name: "priority HIGH uses the thresholds of its own",
    config: http({
      routes: [route({ prefix: "/high" }, toCluster("main", { priority: "HIGH" })), route()],
      clusters: [
        cluster("main", {
          circuit_breakers: { thresholds: [{ priority: "HIGH", max_requests: 0 }] },
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
      const got = await t.get("/high");
      assert.equal(got.status, 503);
      assert.equal(got.header("x-envoy-overloaded"), "true");
      assert.equal((await t.log(2))[1], "503 UO upstream_reset_before_response_started{overflow}");
    },
  },
  {
    name: "request_body_buffer_limit is accepted and does not hold a streamed body",
    config: http({
      routes: [route({ prefix: "/" }, { ...toCluster(), request_body_buffer_limit: "1024" })],
    }),
    upstream: ok,
    run: async (t) => {
      const body = "x".repeat(100_000);
      const got = await t.send(
        lines("POST / HTTP/1.1", "host: h", `content-length: ${body.length}`).concat(body),
      );
      assert.equal(got.status, 200);
      assert.equal(t.upstream().requests[0]?.body.length, body.length);
    },
  },
  {
    name: "include_request_attempt_count tells both sides",
    config: http({
      virtualHosts: [
        virtualHost("all", ["*"], [route()], {
          include_request_attempt_count: true,
          include_attempt_count_in_response: true,
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).header("x-envoy-attempt-count"), "1");
      assert.match(t.upstream().received, /\r\nx-envoy-attempt-count: 1\r\n/);
    },
  },
  {
    name: "suppress_envoy_headers keeps the router's own headers away from both sides",
    config: http({
      manager: {
        http_filters: [
          extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", {
            suppress_envoy_headers: true,
          }),
        ],
      },
      routes: [route({ prefix: "/" }, toCluster("main", { prefix_rewrite: "/new" }))],
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/");
      assert.ok(!got.raw.includes("x-envoy-"));
      assert.ok(!t.upstream().received.includes("x-envoy-"));
    },
  },
];

/** A configuration that must be refused as a whole, for a reason that both proxies name in their own words. */
function refused(
  name: string,
  reason: RegExp,
  routes: readonly JsonObject[],
  extra: JsonObject = {},
): ParityCase {
  return {
    name: `refuses ${name}`,
    config: http({ routes, routeConfig: extra }),
    upstreams: named("one"),
    own: { start: false },
    run: async (t) => {
      const finished = await t.command("--mode", "validate");
      assert.equal(finished.code, 1);
      assert.match(finished.output, reason);
    },
  };
}

const adding = (
  field: "request_headers_to_add" | "response_headers_to_add",
  key: string,
  value: string,
): JsonObject => route({ prefix: "/" }, { ...direct("a"), [field]: [header(key, value)] });

const refusals: readonly ParityCase[] = [
  refused("a route to a cluster that does not exist", /nobody/, [
    route({ prefix: "/" }, { route: { cluster: "nobody" } }),
  ]),
  refused("a regex that RE2 does not know", /\(\?=/, [
    route({ safe_regex: { regex: "(?=a)" } }, direct("a")),
  ]),
  refused("a header operator that does not exist", /NOTHING/, [
    adding("response_headers_to_add", "x", "%NOTHING%"),
  ]),
  refused("adding :path", /:path|:-prefixed/, [adding("request_headers_to_add", ":path", "/")]),
  refused("removing host", /host/, [
    route({ prefix: "/" }, { ...direct("a"), request_headers_to_remove: ["host"] }),
  ]),
  refused("weights that are all 0", /weight/i, [
    route({ prefix: "/" }, weighted([weight("one", 0)])),
  ]),
  refused("a route without an action", /action/i, [{ match: { prefix: "/" } }]),
  refused("two virtual hosts of one domain", /a\.test/, [], {
    virtual_hosts: [virtualHost("one", ["a.test"], []), virtualHost("two", ["a.test"], [])],
  }),
];

parityArea("routing-actions", [...clusterChoice, ...timeouts, ...policies, ...refusals]);
