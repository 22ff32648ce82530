import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  connectionManager,
  direct,
  extension,
  type HttpOptions,
  http,
  type JsonObject,
  listener,
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
            route({ prefix: "/slow" }, toCluster("main", { timeout: "0.3s" })),
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

const template = (pathTemplate: string): JsonObject => ({
  path_match_policy: extension(
    "envoy.path.match.uri_template.uri_template_matcher",
    "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
    { path_template: pathTemplate },
  ),
});
const templateRewrite = (text: string): JsonObject => ({
  path_rewrite_policy: extension(
    "envoy.path.rewrite.uri_template.uri_template_rewriter",
    "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
    { path_template_rewrite: text },
  ),
});

const templates: readonly ParityCase[] = [
  {
    name: "path_match_policy matches a template without the query",
    config: http({
      routes: [
        route(template("/users/{user}/*.txt"), direct("file")),
        route(template("/users/**"), direct("rest")),
        route({ prefix: "/" }, direct("no")),
      ],
    }),
    run: async (t) => {
      const bodies: string[] = [];
      for (const path of ["/users/1/a.txt?q", "/users/1/a", "/users", "/users/1/2/a.txt", "/x"])
        bodies.push((await t.get(path)).body);
      assert.deepEqual(bodies, ["file", "rest", "no", "rest", "no"]);
    },
  },
  {
    name: "path_rewrite_policy puts the template's variables elsewhere, and keeps the query",
    config: http({
      routes: [
        route(
          template("/users/{user}/orders/{order=*/*}"),
          toCluster("main", templateRewrite("/o/{order}/of/{user}")),
        ),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/users/7/orders/a/b?q=1");
      const { received } = t.upstream();
      assert.match(received, /^GET \/o\/a\/b\/of\/7\?q=1 HTTP\/1\.1\r\n/);
      assert.match(received, /\r\nx-envoy-original-path: \/users\/7\/orders\/a\/b\?q=1\r\n/);
    },
  },
  ...(
    [
      ["a template that is none", /\{/, route(template("/a/{"), direct("d"))],
      [
        "a rewrite with a variable that is not there",
        /nobody/,
        route(template("/a/{b}"), toCluster("one", templateRewrite("/{nobody}"))),
      ],
      [
        "a rewrite without a template",
        /template/,
        route({ prefix: "/" }, toCluster("one", templateRewrite("/x"))),
      ],
    ] as const
  ).map(
    ([name, reason, refusedRoute]): ParityCase => ({
      name: `refuses ${name}`,
      config: http({ routes: [refusedRoute] }),
      upstreams: { one: ok },
      own: { start: false },
      run: async (t) => {
        const finished = await t.command("--mode", "validate");
        assert.equal(finished.code, 1);
        assert.match(finished.output, reason);
      },
    }),
  ),
  {
    name: "a decorator without tracing changes nothing",
    config: http({
      routes: [route({ prefix: "/" }, { ...toCluster(), decorator: { operation: "op" } })],
    }),
    upstream: ok,
    run: async (t) => {
      assert.ok(!(await t.get("/")).raw.includes("decorator"));
      assert.ok(!t.upstream().received.includes("decorator"));
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
  {
    name: "metadata of a filter chain is in the access log",
    config: {
      listeners: [
        listener([], {
          filter_chains: [
            {
              filters: [
                connectionManager({
                  routes: [route({ prefix: "/" }, direct("d"))],
                  logFormat: "%METADATA(LISTENER_FILTER_CHAIN:istio:config)%",
                }),
              ],
              metadata: { filter_metadata: { istio: { config: "/apis/x" } } },
            },
          ],
        }),
      ],
      clusters: [],
    },
    run: async (t) => {
      await t.get("/");
      assert.equal(await t.logLine(), "/apis/x");
    },
  },
];

parityArea("routing-more", [...matching, ...templates, ...virtualClusters, ...limits], {
  bootstrap: {
    layered_runtime: { layers: [{ name: "static", static_layer: { parity: { on: 100 } } }] },
  },
});
