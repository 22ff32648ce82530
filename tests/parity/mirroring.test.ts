import assert from "node:assert/strict";
import { answer, byHand, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  cluster,
  header,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";

const mirrorTo = (name: string, extra: JsonObject = {}): JsonObject => ({
  cluster: `{case}-${name}`,
  ...extra,
});
const upstreams = { main: answer(response(200, "main")), copy: answer(response(500, "copy")) };

function mirrored(
  name: string,
  options: {
    readonly policies: readonly JsonObject[];
    readonly request?: string;
    readonly action?: JsonObject;
    readonly routeExtra?: JsonObject;
    readonly upstreams?: ParityCase["upstreams"];
  },
  run: (t: CaseContext) => Promise<void>,
): ParityCase {
  return {
    name,
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            ...toCluster("main", { request_mirror_policies: options.policies, ...options.action }),
            ...options.routeExtra,
          },
        ),
      ],
    }),
    upstreams: options.upstreams ?? upstreams,
    run: async (t) => {
      const got = await t.send(options.request ?? get("/a?b"));
      assert.equal(`${got.status} ${got.body}`, "200 main");
      await run(t);
    },
  };
}

/** The only request that the mirror has had, once it is there. */
async function copied(t: CaseContext, name = "copy"): Promise<string> {
  return t.eventually(async () => {
    const [request] = t.upstream(name).requests;
    assert.ok(request !== undefined, "nothing was mirrored");
    return request.raw;
  });
}

const cases: readonly ParityCase[] = [
  mirrored(
    "a copy goes to the mirror, whose answer is only counted",
    { policies: [mirrorTo("copy")] },
    async (t) => {
      const raw = await copied(t);
      assert.match(raw, /^GET \/a\?b HTTP\/1\.1\r\n/);
      assert.match(raw, /^host: host\.test-shadow\r$/m);
      assert.match(raw, /^x-envoy-internal: true\r$/m);
      assert.match(raw, /^x-forwarded-for: [0-9.]+\r$/m);
      await t.stats({
        "cluster.{case}-copy.upstream_rq_500": 1,
        "cluster.{case}-copy.upstream_rq_total": 1,
        "cluster.{case}-main.upstream_rq_200": 1,
        "cluster.{case}-main.upstream_rq_total": 1,
      });
    },
  ),
  mirrored(
    "the port stays behind the suffix",
    { policies: [mirrorTo("copy")], request: "GET / HTTP/1.1\r\nhost: a.test:8080\r\n\r\n" },
    async (t) => assert.match(await copied(t), /^host: a\.test-shadow:8080\r$/m),
  ),
  mirrored(
    "disable_shadow_host_suffix_append",
    { policies: [mirrorTo("copy", { disable_shadow_host_suffix_append: true })] },
    async (t) => assert.match(await copied(t), /^host: host\.test\r$/m),
  ),
  mirrored(
    "host_rewrite_literal",
    { policies: [mirrorTo("copy", { host_rewrite_literal: "other.test" })] },
    async (t) => assert.match(await copied(t), /^host: other\.test(-shadow)?\r$/m),
  ),
  mirrored(
    "request_headers_mutations change the copy only",
    {
      policies: [
        mirrorTo("copy", {
          request_headers_mutations: [
            { append: { ...header("x-mirror", "yes") } },
            { remove: "x-secret" },
          ],
        }),
      ],
      request: get("/", "x-secret: 1"),
    },
    async (t) => {
      const raw = await copied(t);
      assert.match(raw, /^x-mirror: yes\r$/m);
      assert.doesNotMatch(raw, /x-secret/);
      assert.match(t.upstream().received, /^x-secret: 1\r$/m);
      assert.doesNotMatch(t.upstream().received, /x-mirror/);
    },
  ),
  mirrored(
    "the copy has the route's changes",
    {
      policies: [mirrorTo("copy")],
      action: { prefix_rewrite: "/z/" },
      routeExtra: { request_headers_to_add: [header("x-added", "1")] },
    },
    async (t) => {
      const raw = await copied(t);
      assert.match(raw, /^GET \/z\/a\?b HTTP/);
      assert.match(raw, /^x-added: 1\r$/m);
    },
  ),
  mirrored(
    "a body and its trailers",
    {
      policies: [mirrorTo("copy")],
      request:
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    },
    async (t) => {
      await copied(t);
      assert.equal(t.upstream("copy").requests[0]?.body, "abcde");
    },
  ),
  mirrored(
    "several policies",
    {
      policies: [mirrorTo("copy"), mirrorTo("second")],
      upstreams: { ...upstreams, second: answer(response(200, "second")) },
    },
    async (t) => {
      await copied(t);
      await copied(t, "second");
    },
  ),
  mirrored(
    "cluster_header names the mirror",
    { policies: [{ cluster_header: "x-mirror-to" }] },
    async (t) => {
      const client = await t.connect();
      await client.exchange(get("/", `x-mirror-to: ${t.id}-copy`));
      await copied(t);
      assert.equal(t.upstream("copy").requests.length, 1);
    },
  ),
  mirrored(
    "runtime_fraction 0: none",
    {
      policies: [
        mirrorTo("copy", { runtime_fraction: { default_value: { numerator: 0 } } }),
        mirrorTo("second", { runtime_fraction: { default_value: { numerator: 100 } } }),
      ],
      upstreams: { ...upstreams, second: answer(response(200, "second")) },
    },
    async (t) => {
      await copied(t, "second");
      assert.equal(t.upstream("copy").requests.length, 0);
    },
  ),
  mirrored(
    "a mirror that hangs is not waited for",
    { policies: [mirrorTo("copy")], upstreams: { ...upstreams, copy: byHand() } },
    async (t) => {
      await (await t.upstream("copy").connection()).request();
    },
  ),
  mirrored(
    "the answer does not wait for a mirror that nobody serves",
    {
      policies: [mirrorTo("copy")],
      upstreams: { ...upstreams, copy: (connection) => connection.reset() },
    },
    async (t) => {
      await t.stats({ "cluster.{case}-copy.upstream_cx_total": 1 });
    },
  ),
  {
    name: "the virtual host's mirrors, unless the route has its own",
    config: http({
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route(
              { prefix: "/own" },
              toCluster("main", { request_mirror_policies: [mirrorTo("second")] }),
            ),
            route({ prefix: "/" }),
          ],
          { request_mirror_policies: [mirrorTo("copy")] },
        ),
      ],
    }),
    upstreams: { ...upstreams, second: answer(response(200, "second")) },
    run: async (t) => {
      await t.get("/own");
      await copied(t, "second");
      assert.equal(t.upstream("copy").requests.length, 0);
      await t.get("/");
      await copied(t);
    },
  },
  {
    name: "a share of a half, by distribution",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", {
            request_mirror_policies: [
              mirrorTo("copy", { runtime_fraction: { default_value: { numerator: 50 } } }),
            ],
          }),
        ),
      ],
    }),
    upstreams,
    run: async (t) => {
      const client = await t.connect();
      for (let i = 0; i < 400; i += 1) await client.exchange(get("/"));
      // Seven standard deviations of 400 draws.
      await t.eventually(async () => {
        const seen = t.upstream("copy").requests.length;
        assert.ok(seen > 130 && seen < 270, `${seen} of 400`);
      });
    },
  },
  {
    name: "refuses a policy without a cluster",
    config: http({
      routes: [route({ prefix: "/" }, toCluster("main", { request_mirror_policies: [{}] }))],
      clusters: [cluster("main")],
    }),
    upstreams,
    own: { start: false },
    run: async (t) => {
      const { code } = await t.command("--mode", "validate");
      assert.notEqual(code, 0);
    },
  },
];

parityArea("mirroring", cases);
