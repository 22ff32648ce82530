import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  direct,
  type HttpOptions,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import { get } from "./harness/context.ts";

const ok = answer(response(200, "ok"));

/** What matches answers `yes`, the rest `no`. */
function matchCase(
  name: string,
  match: JsonObject,
  expectations: readonly (readonly [request: string, answer: string])[],
  options: HttpOptions = {},
): ParityCase {
  return {
    name,
    config: http({
      routes: [
        route({ prefix: "/", ...match }, direct("yes")),
        route({ prefix: "/" }, direct("no")),
      ],
      ...options,
    }),
    run: async (t) => {
      const client = await t.connect();
      const actual: (readonly [string, string])[] = [];
      for (const [request] of expectations)
        actual.push([request, (await client.exchange(request)).body]);
      assert.deepEqual(actual, expectations);
    },
  };
}

const metadataMatcher = (extra: JsonObject): JsonObject => ({
  dynamic_metadata: [{ filter: "some.filter", path: [{ key: "k" }], ...extra }],
});

const matching: readonly ParityCase[] = [
  matchCase(
    "dynamic_metadata that no filter wrote does not match",
    metadataMatcher({ value: { string_match: { exact: "a" } } }),
    [[get("/"), "no"]],
  ),
  matchCase(
    "dynamic_metadata inverted matches what no filter wrote",
    metadataMatcher({ value: { string_match: { exact: "a" } }, invert: true }),
    [[get("/"), "yes"]],
  ),
  matchCase(
    "dynamic_metadata present_match false",
    metadataMatcher({ value: { present_match: false } }),
    [[get("/"), "no"]],
  ),
  matchCase(
    "filter_state that is not there does not match",
    { filter_state: [{ key: "some.key", string_match: { exact: "a" } }] },
    [[get("/"), "no"]],
  ),
  matchCase(
    "tls_context false: the client showed no certificate",
    { tls_context: { presented: false } },
    [[get("/"), "yes"]],
  ),
  matchCase(
    "runtime_fraction reads its key",
    { runtime_fraction: { default_value: { numerator: 0 }, runtime_key: "parity.on" } },
    [[get("/"), "yes"]],
  ),
  matchCase(
    "a header's regex matches the whole value",
    { headers: [{ name: "x-a", string_match: { safe_regex: { regex: "a|ab" } } }] },
    [
      [get("/", "x-a: ab"), "yes"],
      [get("/", "x-a: a"), "yes"],
      [get("/", "x-a: abc"), "no"],
    ],
  ),
  matchCase(
    "braces with a leading zero are text to a regex",
    { safe_regex: { regex: "/a{01}" }, prefix: undefined as never },
    [
      [get("/a{01}"), "yes"],
      [get("/a"), "no"],
    ],
  ),
  matchCase(
    "a regex reads bytes",
    { headers: [{ name: "x-a", string_match: { safe_regex: { regex: "caf." } } }] },
    [
      [get("/", "x-a: caf\xe9"), "yes"],
      [get("/", "x-a: caf\xc3\xa9"), "no"],
    ],
  ),
];

const vhostCluster = (name: string, path: string, method?: string): JsonObject => ({
  name,
  headers: [
    { name: ":path", string_match: { safe_regex: { regex: path } } },
    ...(method === undefined ? [] : [{ name: ":method", string_match: { exact: method } }]),
  ],
});

/** Port 1 of loopback: nobody listens. */
const refusing: JsonObject = {
  name: "{case}-main",
  type: "STATIC",
  load_assignment: {
    cluster_name: "{case}-main",
    endpoints: [
      {
        lb_endpoints: [
          { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } } },
        ],
      },
    ],
  },
};

const virtualClusters: readonly ParityCase[] = [
  {
    name: "virtual clusters count requests, the first that matches, and the rest as other",
    config: http({
      virtualHosts: [
        virtualHost("{case}-host", ["*"], [route()], {
          virtual_clusters: [
            vhostCluster("users", "/users/\\d+"),
            vhostCluster("any", "/[a-z]+/.*", "GET"),
          ],
        }),
      ],
      logFormat: "%RESPONSE_CODE% %VIRTUAL_CLUSTER_NAME%",
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/users/1");
      await t.get("/users/x");
      await t.get("/x");
      const prefix = "vhost.{case}-host.vcluster";
      await t.stats({
        [`${prefix}.users.upstream_rq_total`]: 1,
        [`${prefix}.users.upstream_rq_200`]: 1,
        [`${prefix}.users.upstream_rq_2xx`]: 1,
        [`${prefix}.users.upstream_rq_completed`]: 1,
        [`${prefix}.users.upstream_rq_timeout`]: 0,
        [`${prefix}.users.upstream_rq_retry`]: 0,
        [`${prefix}.any.upstream_rq_total`]: 1,
        [`${prefix}.other.upstream_rq_total`]: 1,
      });
      assert.deepEqual(await t.log(3), ["200 users", "200 any", "200 -"]);
    },
  },
  {
    name: "a virtual cluster counts the router's own failures",
    config: http({
      virtualHosts: [
        virtualHost(
          "{case}-host",
          ["*"],
          [
            route({ prefix: "/none" }, { route: { cluster_header: "x-none" } }),
            route({ prefix: "/direct" }, direct("d")),
            route({ prefix: "/slow" }, toCluster("main", { timeout: "0.05s" })),
          ],
          { virtual_clusters: [vhostCluster("all", "/.*")] },
        ),
      ],
    }),
    upstream: async (connection) => {
      await connection.request();
    },
    run: async (t) => {
      await t.get("/none");
      await t.get("/direct");
      await t.get("/slow");
      const prefix = "vhost.{case}-host.vcluster";
      await t.stats({
        [`${prefix}.all.upstream_rq_total`]: 1,
        [`${prefix}.all.upstream_rq_504`]: 1,
        [`${prefix}.all.upstream_rq_5xx`]: 1,
        [`${prefix}.all.upstream_rq_completed`]: 1,
        [`${prefix}.all.upstream_rq_timeout`]: 1,
        [`${prefix}.other.upstream_rq_total`]: 0,
      });
      const { body } = await t.admin("/stats?filter=vhost.{case}-host.*completed");
      assert.equal(body.trim(), t.fill(`${prefix}.all.upstream_rq_completed: 1`));
    },
  },
  {
    name: "a connection that is refused is a virtual cluster's response, not its request",
    config: http({
      virtualHosts: [
        virtualHost("{case}.host:80", ["*"], [route()], {
          virtual_clusters: [vhostCluster("all", "/.*")],
        }),
      ],
      clusters: [refusing],
    }),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      const prefix = "vhost.{case}.host:80.vcluster.all";
      await t.stats({ [`${prefix}.upstream_rq_503`]: 1, [`${prefix}.upstream_rq_total`]: 0 });
    },
  },
  {
    name: "stat_prefix of a route counts its requests",
    config: http({
      virtualHosts: [
        virtualHost(
          "{case}-host",
          ["*"],
          [
            route({ prefix: "/a" }, { ...toCluster(), stat_prefix: "route-a" }),
            route({ prefix: "/d" }, { ...direct("d"), stat_prefix: "route-d" }),
            route({ prefix: "/" }),
          ],
        ),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/a");
      await t.get("/d");
      await t.get("/b");
      const prefix = "vhost.{case}-host.route";
      await t.stats({
        [`${prefix}.route-a.upstream_rq_total`]: 1,
        [`${prefix}.route-a.upstream_rq_200`]: 1,
        [`${prefix}.route-a.upstream_rq_2xx`]: 1,
        [`${prefix}.route-a.upstream_rq_completed`]: 1,
      });
      const { body } = await t.admin("/stats?filter=vhost.{case}-host.*completed");
      assert.equal(body.trim(), t.fill(`${prefix}.route-a.upstream_rq_completed: 1`));
    },
  },
];

const limits: readonly ParityCase[] = [
  {
    name: "max_direct_response_body_size_bytes allows a long body",
    config: http({
      routes: [route({ prefix: "/" }, direct("x".repeat(5000)))],
      routeConfig: { max_direct_response_body_size_bytes: 5000 },
    }),
    run: async (t) => assert.equal((await t.get("/")).body.length, 5000),
  },
  {
    name: "a direct response's body_format has the body and the request",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            direct_response: {
              status: 201,
              body: { inline_string: "hé" },
              body_format: {
                text_format_source: {
                  inline_string: "%LOCAL_REPLY_BODY% %REQ(:path)% %RESPONSE_CODE%",
                },
                content_type: "text/x",
              },
            },
          },
        ),
      ],
    }),
    run: async (t) => {
      const got = await t.get("/p");
      assert.equal(got.status, 201);
      assert.equal(got.body, Buffer.from("hé /p 0").toString("latin1"));
      assert.equal(got.header("content-type"), "text/x");
    },
  },
  {
    name: "a direct response's JSON body_format",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            direct_response: {
              status: 200,
              body: { inline_string: "b" },
              body_format: { json_format: { path: "%REQ(:path)%", body: "%LOCAL_REPLY_BODY%" } },
            },
          },
        ),
      ],
    }),
    run: async (t) => {
      const got = await t.get("/p");
      assert.equal(got.body, '{"body":"b","path":"/p"}\n');
      assert.equal(got.header("content-type"), "application/json");
    },
  },
  {
    name: "metadata of a virtual host and a route is in the access log",
    config: http({
      virtualHosts: [
        virtualHost(
          "one",
          ["*"],
          [
            route(
              { prefix: "/" },
              { ...direct("d"), metadata: { filter_metadata: { ns: { k: "route" } } } },
            ),
          ],
          {
            metadata: { filter_metadata: { ns: { k: "host", n: 1.5 } } },
          },
        ),
      ],
      routeConfig: { metadata: { filter_metadata: { ns: { k: "config" } } } },
      logFormat: "%METADATA(ROUTE:ns:k)% %METADATA(VIRTUAL_HOST:ns:k)% %METADATA(VIRTUAL_HOST:ns)%",
    }),
    run: async (t) => {
      await t.get("/");
      assert.equal(await t.logLine(), 'route host {"k":"host","n":1.5}');
    },
  },
];

parityArea("routing-more", [...matching, ...virtualClusters, ...limits], {
  bootstrap: {
    layered_runtime: { layers: [{ name: "static", static_layer: { parity: { on: 100 } } }] },
  },
});
