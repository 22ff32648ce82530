import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { answer, echo, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  extension,
  http,
  type JsonObject,
  listener,
} from "./harness/config.ts";

const ok = answer(response(200, "ok"));
const to = (extra: JsonObject): CaseConfig => http({ clusters: [cluster("main", extra)] });
const httpOptions = (options: JsonObject): JsonObject => ({
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      ...options,
    },
  },
});
const http1 = { explicit_http_config: { http_protocol_options: {} } };
const assignment = (policy: JsonObject): JsonObject => ({
  load_assignment: {
    cluster_name: "{case}-main",
    endpoints: [{ lb_endpoints: [endpoint("main")] }],
    policy,
  },
});
const dropping = (percentage: JsonObject): JsonObject =>
  assignment({ drop_overloads: [{ category: "all", drop_percentage: percentage }] });

/** The kernel's timer of the connection to this port: 02 is keepalive. */
function timerOf(remotePort: number): string | undefined {
  const port = remotePort.toString(16).toUpperCase().padStart(4, "0");
  const line = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((text) => text.trim().split(/\s+/))
    .find(([, , remote = "", state]) => remote.endsWith(`:${port}`) && state === "01");
  return line?.[5]?.slice(0, 2);
}

const protocolError = "502 UPE upstream_reset_before_response_started{protocol_error}";

const http_: readonly ParityCase[] = [
  {
    name: "use_downstream_protocol_config: HTTP/1 goes on as HTTP/1",
    config: to(
      httpOptions({
        use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
      }),
    ),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
      await t.stats({ "cluster.{case}-main.upstream_cx_http1_total": 1 });
    },
  },
  {
    name: "protocol_selection USE_DOWNSTREAM_PROTOCOL",
    config: to({
      protocol_selection: "USE_DOWNSTREAM_PROTOCOL",
      http_protocol_options: {},
      http2_protocol_options: {},
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
      await t.stats({ "cluster.{case}-main.upstream_cx_http1_total": 1 });
    },
  },
  {
    name: "max_response_headers_kb limits the upstream's head",
    config: to(
      httpOptions({ common_http_protocol_options: { max_response_headers_kb: 1 }, ...http1 }),
    ),
    upstream: answer(`HTTP/1.1 200 OK\r\nx-a: ${"a".repeat(2000)}\r\ncontent-length: 0\r\n\r\n`),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 502);
      assert.equal(await t.logLine(), protocolError);
    },
  },
  {
    name: "max_headers_count limits the upstream's fields",
    config: to(httpOptions({ common_http_protocol_options: { max_headers_count: 5 }, ...http1 })),
    upstream: answer(`HTTP/1.1 200 OK\r\n${"x-a: a\r\n".repeat(6)}content-length: 0\r\n\r\n`),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 502);
      assert.equal(await t.logLine(), protocolError);
    },
  },
];

const loads: readonly ParityCase[] = [
  {
    name: "drop_overloads drops requests",
    config: to(dropping({ numerator: 999_999, denominator: "MILLION" })),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/");
      assert.deepEqual([got.status, got.body], [503, "drop overload"]);
      assert.equal(got.header("x-envoy-drop-overload"), "true");
      assert.equal(await t.logLine(), "503 DO drop_overload");
      await t.stats({ "cluster.{case}-main.upstream_cx_total": 0 });
    },
  },
  {
    name: "drop_overloads of 100 % has a flag of its own",
    config: to(dropping({ numerator: 100 })),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/");
      assert.deepEqual([got.status, got.body], [503, "unconditional drop overload"]);
      assert.equal(got.header("x-envoy-unconditional-drop-overload"), "true");
      assert.equal(got.header("x-envoy-overloaded"), undefined);
      assert.equal(await t.logLine(), "503 UDO unconditional_drop_overload");
    },
  },
  {
    name: "drop_overloads of 0 % drops none",
    config: to(dropping({ numerator: 0 })),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/")).status, 200),
  },
  {
    name: "drop_overloads leaves TCP alone",
    config: {
      listeners: [
        listener([
          extension(
            "envoy.filters.network.tcp_proxy",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            { stat_prefix: "{case}", cluster: "{case}-main" },
          ),
        ]),
      ],
      clusters: [cluster("main", dropping({ numerator: 100 }))],
    },
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
    },
  },
];

const sockets: readonly ParityCase[] = [
  {
    name: "tcp_keepalive is on for connections to the upstream",
    config: to({ upstream_connection_options: { tcp_keepalive: { keepalive_time: 1000 } } }),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      const { socket } = await t.upstream().connection();
      assert.equal(timerOf(socket.localPort ?? 0), "02");
    },
  },
  {
    name: "without tcp_keepalive there is none",
    config: to({}),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      const { socket } = await t.upstream().connection();
      assert.equal(timerOf(socket.localPort ?? 0), "00");
    },
  },
];

parityArea("clusters-more", [...http_, ...loads, ...sockets]);
