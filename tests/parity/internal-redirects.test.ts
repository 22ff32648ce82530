import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, extension, http, type JsonObject, route, toCluster } from "./harness/config.ts";
import { lines } from "./harness/http1.ts";

/** `/start` is redirected by the upstream to `location`; the route there is `target`. */
function redirectCase(
  name: string,
  options: {
    readonly policy?: JsonObject;
    readonly location?: string;
    readonly status?: number;
    readonly extra?: readonly string[];
    readonly routes?: readonly JsonObject[];
    readonly request?: string;
  },
  run: ParityCase["run"],
): ParityCase {
  const { policy = {}, location = "http://host.test/target?q", status = 302, extra = [] } = options;
  return {
    name: `internal redirect: ${name}`,
    config: http({
      logFormat:
        "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %REQ(:path)% %ROUTE_NAME%",
      routes: options.routes ?? [
        route(
          { prefix: "/start" },
          { name: "start", ...toCluster("main", { internal_redirect_policy: policy }) },
        ),
        route(
          { prefix: "/target" },
          { name: "target", ...toCluster("end", { internal_redirect_policy: policy }) },
        ),
      ],
    }),
    upstreams: {
      main: answer(response(status, "", `location: ${location}`, ...extra)),
      end: answer(response(200, "end")),
    },
    run,
  };
}

const predicate = (name: string, config: JsonObject = {}): JsonObject => {
  const types: Readonly<Record<string, string>> = {
    previous_routes: "PreviousRoutesConfig",
    allow_listed_routes: "AllowListedRoutesConfig",
    safe_cross_scheme: "SafeCrossSchemeConfig",
  };
  return extension(
    `envoy.internal_redirect_predicates.${name}`,
    `envoy.extensions.internal_redirect.${name}.v3.${types[name]}`,
    config,
  );
};

const followed: ParityCase["run"] = async (t) => {
  const got = await t.get("/start");
  assert.equal(got.status, 200);
  assert.equal(got.body, "end");
  await t.stats({ "cluster.{case}-main.upstream_internal_redirect_succeeded_total": 1 });
};
const passedOn =
  (status = 302): ParityCase["run"] =>
  async (t) => {
    const got = await t.get("/start");
    assert.equal(got.status, status);
    await t.stats({
      "cluster.{case}-main.upstream_internal_redirect_failed_total": 1,
      "cluster.{case}-main.upstream_internal_redirect_succeeded_total": 0,
    });
  };

const redirects: readonly ParityCase[] = [
  redirectCase("is followed, and told to the upstream", {}, async (t) => {
    const got = await t.get("/start?a=b");
    assert.equal(got.body, "end");
    const head = t.upstream("end").received;
    assert.match(head, /^GET \/target\?q HTTP\/1\.1\r\n/);
    assert.match(head, /\r\nx-envoy-original-url: http:\/\/host\.test\/start\?a=b\r\n/);
    assert.match(head, /\r\nhost: host\.test\r\n/);
    const log = await t.log(2);
    assert.deepEqual(log, [
      "302 - internal_redirect /target?q target",
      "200 - via_upstream /target?q target",
    ]);
    await t.stats({
      "http.{case}.downstream_rq_total": 2,
      "http.{case}.downstream_rq_completed": 1,
      "cluster.{case}-main.upstream_rq_total": 1,
      "cluster.{case}-main.upstream_rq_completed": 0,
      "cluster.{case}-end.upstream_rq_completed": 1,
    });
  }),
  ...[
    ["a relative location", "/target", "bad_location"],
    ["no URL", "http://host.test/tar get", "bad_location"],
    ["another scheme", "ftp://host.test/target", "unsafe_scheme"],
    ["https from plaintext", "https://host.test/target", "unsafe_scheme"],
    ["no route", "http://host.test/nowhere", "no_route"],
    ["a query without a path", "http://host.test?x=1", "no_route"],
  ].map(([name, location, reason]) =>
    redirectCase(`${name} goes to the client`, { location: location ?? "" }, async (t) => {
      await passedOn()(t);
      await t.stats({ [`http.{case}.passthrough_internal_redirect_${reason}`]: 1 });
    }),
  ),
  ...[
    ["an upper case URL", "HTTP://host.test/target", "/target", "host.test"],
    ["a fragment is not sent", "http://host.test/target#frag", "/target", "host.test"],
    ["a port is sent", "http://host.test:8080/target", "/target", "host.test:8080"],
    ["userinfo is not sent", "http://u:p@host.test/target", "/target", "host.test"],
    ["dots stay", "http://host.test/target/../x", "/target/../x", "host.test"],
    ["another host", "http://other.test/target", "/target", "other.test"],
  ].map(([name, location, path, host]) =>
    redirectCase(name ?? "", { location: location ?? "" }, async (t) => {
      await followed(t);
      const head = t.upstream("end").received;
      assert.ok(head.startsWith(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n`), head);
    }),
  ),
  redirectCase("301 is not followed unless listed", { status: 301 }, async (t) => {
    assert.equal((await t.get("/start")).status, 301);
    await t.stats({
      "cluster.{case}-main.upstream_internal_redirect_failed_total": 0,
      "cluster.{case}-main.upstream_internal_redirect_succeeded_total": 0,
    });
  }),
  redirectCase(
    "307 is followed when listed",
    { status: 307, policy: { redirect_response_codes: [307, 301] } },
    followed,
  ),
  redirectCase(
    "a code that is no redirect's is not listed",
    { status: 200, policy: { redirect_response_codes: [200] } },
    async (t) => {
      assert.equal((await t.get("/start")).status, 200);
    },
  ),
  redirectCase(
    "to https is followed when schemes may be crossed",
    { location: "https://host.test/target", policy: { allow_cross_scheme_redirect: true } },
    followed,
  ),
  redirectCase(
    "safe_cross_scheme refuses https on plaintext",
    {
      location: "https://host.test/target",
      policy: { allow_cross_scheme_redirect: true, predicates: [predicate("safe_cross_scheme")] },
    },
    passedOn(),
  ),
  redirectCase(
    "a second one passes to the client",
    { location: "http://host.test/start" },
    async (t) => {
      assert.equal((await t.get("/start")).status, 302);
      await t.stats({
        "cluster.{case}-main.upstream_internal_redirect_succeeded_total": 1,
        "cluster.{case}-main.upstream_internal_redirect_failed_total": 1,
        "http.{case}.passthrough_internal_redirect_too_many_redirects": 1,
      });
    },
  ),
  redirectCase(
    "max_internal_redirects 3 follows three",
    { location: "http://host.test/start", policy: { max_internal_redirects: 3 } },
    async (t) => {
      assert.equal((await t.get("/start")).status, 302);
      await t.stats({
        "cluster.{case}-main.upstream_internal_redirect_succeeded_total": 3,
        "cluster.{case}-main.upstream_internal_redirect_failed_total": 1,
      });
    },
  ),
  redirectCase(
    "max_internal_redirects 0 follows none",
    { policy: { max_internal_redirects: 0 } },
    passedOn(),
  ),
  redirectCase(
    "previous_routes refuses a route that was taken",
    {
      location: "http://host.test/start",
      policy: { max_internal_redirects: 5, predicates: [predicate("previous_routes")] },
    },
    async (t) => {
      assert.equal((await t.get("/start")).status, 302);
      // The first one is to a route that no redirect led to before.
      await t.stats({
        "cluster.{case}-main.upstream_internal_redirect_succeeded_total": 1,
        "http.{case}.passthrough_internal_redirect_predicate": 1,
      });
    },
  ),
  redirectCase(
    "previous_routes allows another route",
    { policy: { predicates: [predicate("previous_routes")] } },
    followed,
  ),
  redirectCase(
    "allow_listed_routes allows what it lists",
    {
      policy: {
        predicates: [predicate("allow_listed_routes", { allowed_route_names: ["target"] })],
      },
    },
    followed,
  ),
  redirectCase(
    "allow_listed_routes refuses the rest",
    {
      policy: {
        predicates: [predicate("allow_listed_routes", { allowed_route_names: ["other"] })],
      },
    },
    passedOn(),
  ),
  redirectCase(
    "response_headers_to_copy go into the request",
    {
      policy: { response_headers_to_copy: ["x-copied", "x-absent"] },
      extra: ["x-copied: from-upstream"],
    },
    async (t) => {
      assert.equal((await t.get("/start", "x-copied: client", "x-absent: client")).body, "end");
      const head = t.upstream("end").received;
      assert.match(head, /\r\nx-copied: from-upstream\r\n/);
      assert.ok(!head.includes("x-absent"));
      assert.ok(!head.includes("x-copied: client"));
    },
  ),
  redirectCase("a body of a length is sent again", {}, async (t) => {
    const got = await t.send(
      `${lines("POST /start HTTP/1.1", "host: host.test", "content-length: 4")}body`,
    );
    assert.equal(got.body, "end");
    const { received } = t.upstream("end");
    assert.match(
      received,
      /^POST \/target\?q HTTP\/1\.1\r\nhost: host\.test\r\ncontent-length: 4\r\n/,
    );
    assert.match(received, /\r\n\r\nbody$/);
  }),
  redirectCase("a chunked body is sent again", {}, async (t) => {
    const head = lines("POST /start HTTP/1.1", "host: host.test", "transfer-encoding: chunked");
    assert.equal((await t.send(`${head}2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n`)).body, "end");
    assert.deepEqual(
      t.upstream("end").requests.map(({ body }) => body),
      ["body"],
    );
  }),
  redirectCase(
    "a body longer than may be kept goes to the client",
    {
      routes: [
        route(
          { prefix: "/start" },
          {
            ...toCluster("main", { internal_redirect_policy: {} }),
            per_request_buffer_limit_bytes: 3,
          },
        ),
        route({ prefix: "/target" }, toCluster("end")),
      ],
    },
    async (t) => {
      const got = await t.send(
        `${lines("POST /start HTTP/1.1", "host: host.test", "content-length: 4")}body`,
      );
      assert.equal(got.status, 302);
      await t.stats({ "cluster.{case}-main.upstream_internal_redirect_failed_total": 1 });
    },
  ),
  redirectCase(
    "303 makes a POST a GET without body",
    { status: 303, policy: { redirect_response_codes: [303] } },
    async (t) => {
      const got = await t.send(
        `${lines("POST /start HTTP/1.1", "host: host.test", "content-length: 4")}body`,
      );
      assert.equal(got.body, "end");
      const { received } = t.upstream("end");
      assert.match(received, /^GET \/target\?q HTTP\/1\.1\r\n/);
      assert.ok(!received.includes("content-length") && received.endsWith("\r\n\r\n"), received);
    },
  ),
  redirectCase(
    "303 leaves HEAD",
    { status: 303, policy: { redirect_response_codes: [303] } },
    async (t) => {
      const client = await t.connect();
      await client.write(lines("HEAD /start HTTP/1.1", "host: host.test"));
      const request = await t.eventually(async () => {
        const [first] = t.upstream("end").requests;
        assert.ok(first);
        return first;
      });
      assert.equal(request.startLine, "HEAD /target?q HTTP/1.1");
    },
  ),
  redirectCase(
    "to a direct response",
    {
      routes: [
        route({ prefix: "/start" }, toCluster("main", { internal_redirect_policy: {} })),
        route({ prefix: "/target" }, direct("direct")),
      ],
    },
    async (t) => {
      const got = await t.get("/start");
      assert.equal(got.body, "direct");
    },
  ),
  redirectCase(
    "x-envoy-original-url is the request as it went out",
    {
      routes: [
        route(
          { prefix: "/start" },
          toCluster("main", { internal_redirect_policy: {}, prefix_rewrite: "/rewritten" }),
        ),
        route({ prefix: "/target" }, toCluster("end")),
      ],
    },
    async (t) => {
      await t.get("/start?a");
      const { received } = t.upstream("end");
      assert.match(received, /\r\nx-envoy-original-url: http:\/\/host\.test\/rewritten\?a\r\n/);
      assert.match(received, /\r\nx-envoy-original-path: \/start\?a\r\n/);
    },
  ),
];

parityArea("internal-redirects", redirects);
