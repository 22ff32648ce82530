import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { normalise } from "../../testkit/http-text.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  cluster,
  direct,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));

/** A redirect of everything under `/old`, and the location of each request. */
function redirectCase(
  name: string,
  redirect: JsonObject,
  expectations: Readonly<Record<string, string>>,
  { status = 301, authority = "host.test" } = {},
): ParityCase {
  return {
    name,
    config: http({ routes: [route({ prefix: "/old" }, { redirect })] }),
    run: async (t) => {
      for (const [path, location] of Object.entries(expectations)) {
        const got = await t.send(lines(`GET ${path} HTTP/1.1`, `host: ${authority}`));
        assert.equal(got.status, status);
        assert.equal(got.header("location"), location);
      }
    },
  };
}

/** A rewriting route to the upstream, and the target that it saw for each request. */
function rewriteCase(
  name: string,
  match: JsonObject,
  action: JsonObject,
  expectations: Readonly<Record<string, string>>,
): ParityCase {
  return {
    name,
    config: http({ routes: [route(match, toCluster("main", action))] }),
    upstream: ok,
    run: async (t) => {
      for (const path of Object.keys(expectations)) assert.equal((await t.get(path)).status, 200);
      const seen = t.upstream().requests.map(({ startLine }) => startLine.split(" ")[1] ?? "");
      assert.deepEqual(seen, Object.values(expectations));
      const first = t
        .upstream()
        .requests[0]?.fields.find(([field]) => field === "x-envoy-original-path");
      assert.equal(first?.[1], Object.keys(expectations)[0]);
    },
  };
}

/** A route to the upstream that changes the authority, and what it saw. */
function hostCase(
  name: string,
  action: JsonObject,
  fields: readonly string[],
  expected: Readonly<Record<string, string | undefined>>,
): ParityCase {
  return {
    name,
    config: http({
      routes: [route({ prefix: "/" }, toCluster("main", action))],
      clusters: [
        cluster("main", {
          type: "STRICT_DNS",
          load_assignment: {
            cluster_name: "{case}-main",
            endpoints: [{ lb_endpoints: [namedEndpoint] }],
          },
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/one/two?q", ...fields)).status, 200);
      const seen = new Map(t.upstream().requests[0]?.fields);
      assert.deepEqual(
        Object.fromEntries(Object.keys(expected).map((field) => [field, seen.get(field)])),
        expected,
      );
    },
  };
}

const namedEndpoint: JsonObject = {
  endpoint: {
    hostname: "endpoint.test",
    address: { socket_address: { address: "127.0.0.1", port_value: "{port:main}" } },
  },
};

const redirects: readonly ParityCase[] = [
  {
    name: "a redirect comes with exactly these bytes",
    config: http({ routes: [route({ prefix: "/" }, { redirect: { path_redirect: "/new" } })] }),
    run: async (t) => {
      const got = await t.get("/old?q=1");
      assert.equal(
        normalise(got.raw),
        lines(
          "HTTP/1.1 301 Moved Permanently",
          "location: http://host.test/new?q=1",
          "date: <date>",
          "server: envoy",
          "content-length: 0",
        ),
      );
      assert.equal(await t.logLine(), "301 - direct_response");
      await t.stats({ "http.{case}.downstream_rq_3xx": 1, "http.{case}.rq_direct_response": 1 });
    },
  },
  redirectCase(
    "https_redirect changes the scheme and keeps the rest",
    { https_redirect: true },
    { "/old/a?q=1": "https://host.test/old/a?q=1" },
  ),
  redirectCase(
    "https_redirect drops port 80",
    { https_redirect: true },
    { "/old": "https://host.test/old" },
    { authority: "host.test:80" },
  ),
  redirectCase(
    "https_redirect keeps another port",
    { https_redirect: true },
    { "/old": "https://host.test:8080/old" },
    { authority: "host.test:8080" },
  ),
  redirectCase(
    "scheme_redirect sets the scheme",
    { scheme_redirect: "https" },
    { "/old": "https://host.test/old" },
  ),
  redirectCase(
    "host_redirect sets the host and drops the port",
    { host_redirect: "new.test" },
    { "/old?q": "http://new.test/old?q" },
    { authority: "host.test:8080" },
  ),
  redirectCase(
    "port_redirect sets the port",
    { port_redirect: 8443 },
    { "/old": "http://host.test:8443/old" },
    { authority: "host.test:80" },
  ),
  redirectCase(
    "port_redirect with host and scheme",
    { https_redirect: true, host_redirect: "new.test", port_redirect: 8443 },
    { "/old": "https://new.test:8443/old" },
  ),
  redirectCase(
    "path_redirect replaces the path and keeps the query",
    { path_redirect: "/new" },
    { "/old/a": "http://host.test/new", "/old?q=1": "http://host.test/new?q=1" },
  ),
  redirectCase(
    "path_redirect with a query of its own",
    { path_redirect: "/new?own" },
    { "/old?q=1": "http://host.test/new?own" },
  ),
  redirectCase(
    "strip_query drops the query",
    { path_redirect: "/new", strip_query: true },
    { "/old?q=1": "http://host.test/new" },
  ),
  redirectCase(
    "strip_query without a new path",
    { host_redirect: "new.test", strip_query: true },
    { "/old/a?q=1": "http://new.test/old/a" },
  ),
  redirectCase(
    "prefix_rewrite changes the matched prefix",
    { prefix_rewrite: "/new" },
    { "/old/a?q=1": "http://host.test/new/a?q=1", "/older": "http://host.test/newer" },
  ),
  redirectCase(
    "regex_rewrite changes the path",
    { regex_rewrite: { pattern: { regex: "^/old/(\\d+)" }, substitution: "/new/\\1/x" } },
    { "/old/12/a?q=/old/3": "http://host.test/new/12/x/a?q=/old/3" },
  ),
  ...(
    [
      ["FOUND", 302],
      ["SEE_OTHER", 303],
      ["TEMPORARY_REDIRECT", 307],
      ["PERMANENT_REDIRECT", 308],
    ] as const
  ).map(([code, status]) =>
    redirectCase(
      `response_code ${code}`,
      { response_code: code, path_redirect: "/new" },
      { "/old": "http://host.test/new" },
      { status },
    ),
  ),
  {
    name: "require_tls ALL redirects plaintext to https",
    config: http({ virtualHosts: [virtualHost("all", ["*"], [route()], { require_tls: "ALL" })] }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/a?q=1");
      assert.equal(got.status, 301);
      assert.equal(got.header("location"), "https://host.test/a?q=1");
      assert.equal(t.upstream().connections.length, 0);
    },
  },
  {
    name: "require_tls EXTERNAL_ONLY redirects external requests",
    config: http({
      virtualHosts: [virtualHost("all", ["*"], [route()], { require_tls: "EXTERNAL_ONLY" })],
    }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/")).header("location"), "https://host.test/"),
  },
];

const directResponses: readonly ParityCase[] = [
  {
    name: "a direct response comes with exactly these bytes",
    config: http({ routes: [route({ prefix: "/" }, direct("hello", 429))] }),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(
        normalise(got.raw),
        lines(
          "HTTP/1.1 429 Too Many Requests",
          "content-length: 5",
          "content-type: text/plain",
          "date: <date>",
          "server: envoy",
        ).concat("hello"),
      );
      assert.equal(await t.logLine(), "429 - direct_response");
      await t.stats({ "http.{case}.rq_direct_response": 1 });
    },
  },
  {
    name: "a direct response without a body has no content type",
    config: http({ routes: [route({ prefix: "/" }, { direct_response: { status: 204 } })] }),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 204);
      assert.equal(got.header("content-type"), undefined);
      assert.equal(got.header("content-length"), undefined);
    },
  },
  {
    name: "a direct response to HEAD has the length and no body",
    config: http({ routes: [route({ prefix: "/" }, direct("hello"))] }),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(lines("HEAD / HTTP/1.1", "host: h"), { method: "HEAD" });
      assert.equal(got.header("content-length"), "5");
      assert.equal((await client.exchange(get("/"))).body, "hello");
    },
  },
  {
    name: "a direct response takes its headers from the route",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            ...direct("<p>"),
            response_headers_to_add: [
              {
                header: { key: "content-type", value: "text/html" },
                append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
              },
            ],
          },
        ),
      ],
    }),
    run: async (t) => assert.equal((await t.get("/")).header("content-type"), "text/html"),
  },
  {
    name: "a direct response does not wait for the request body",
    config: http({
      routes: [route({ prefix: "/" }, direct("hello"))],
      manager: { delayed_close_timeout: "0.05s" },
    }),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(
        lines("POST / HTTP/1.1", "host: h", "content-length: 100").concat("part"),
      );
      assert.equal(got.body, "hello");
      await client.ended();
    },
  },
];

const rewrites: readonly ParityCase[] = [
  rewriteCase(
    "prefix_rewrite changes the matched prefix only",
    { prefix: "/api" },
    { prefix_rewrite: "/v1" },
    {
      "/api/x?q=/api": "/v1/x?q=/api",
      "/apis": "/v1s",
      "/api": "/v1",
    },
  ),
  rewriteCase(
    "prefix_rewrite to the root",
    { prefix: "/api/" },
    { prefix_rewrite: "/" },
    { "/api/x": "/x", "/api/": "/" },
  ),
  rewriteCase(
    "prefix_rewrite of a path route replaces the path",
    { path: "/exact" },
    { prefix_rewrite: "/other" },
    { "/exact?q": "/other?q" },
  ),
  rewriteCase(
    "prefix_rewrite of a separated prefix",
    { path_separated_prefix: "/api" },
    { prefix_rewrite: "/v1" },
    {
      "/api/x": "/v1/x",
      "/api?q": "/v1?q",
    },
  ),
  rewriteCase(
    "prefix_rewrite of a regex route replaces the whole path",
    { safe_regex: { regex: "/a+/.*" } },
    { prefix_rewrite: "/v1" },
    { "/aa/x?q": "/v1?q" },
  ),
  rewriteCase(
    "regex_rewrite puts captures in",
    { prefix: "/" },
    {
      regex_rewrite: {
        pattern: { regex: "^/service/([^/]+)(/.*)$" },
        substitution: "\\2/instance/\\1",
      },
    },
    { "/service/foo/v1/api?q=1": "/v1/api/instance/foo?q=1" },
  ),
  rewriteCase(
    "regex_rewrite changes every match",
    { prefix: "/" },
    { regex_rewrite: { pattern: { regex: "one" }, substitution: "two" } },
    { "/xxx/one/yyy/one/zzz": "/xxx/two/yyy/two/zzz" },
  ),
  hostCase("host_rewrite_literal sets the authority", { host_rewrite_literal: "new.test" }, [], {
    host: "new.test",
    "x-envoy-original-host": "host.test",
    "x-forwarded-host": undefined,
  }),
  hostCase(
    "append_x_forwarded_host keeps the old one",
    { host_rewrite_literal: "new.test", append_x_forwarded_host: true },
    [],
    {
      host: "new.test",
      "x-forwarded-host": "host.test",
    },
  ),
  hostCase("auto_host_rewrite takes the endpoint's hostname", { auto_host_rewrite: true }, [], {
    host: "endpoint.test",
  }),
  hostCase(
    "host_rewrite_header takes a request header",
    { host_rewrite_header: "x-to" },
    ["x-to: header.test"],
    { host: "header.test" },
  ),
  hostCase(
    "host_rewrite_header without the header changes nothing",
    { host_rewrite_header: "x-to" },
    [],
    { host: "host.test" },
  ),
  hostCase(
    "host_rewrite_path_regex makes it from the path",
    { host_rewrite_path_regex: { pattern: { regex: "^/([^/]+)/.*$" }, substitution: "\\1.test" } },
    [],
    { host: "one.test" },
  ),
];

parityArea("routing-redirects", [...redirects, ...directResponses, ...rewrites]);
