import assert from "node:assert/strict";
import { answer, byHand, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  direct,
  extension,
  header,
  http,
  type JsonObject,
  route,
  toCluster,
} from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { forwarded, headerLines } from "./harness/forwarded.ts";
import { closesSoon, lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));

/** The response's header lines for these of the upstream, in wire order. */
const answered = (
  name: string,
  manager: JsonObject,
  theirs: readonly string[],
  seen: readonly string[],
): ParityCase => ({
  name,
  config: http({ manager }),
  upstream: answer(response(200, "ok", ...theirs)),
  run: async (t) => {
    assert.deepEqual(headerLines((await t.get("/")).raw), seen);
  },
});

const time = "x-envoy-upstream-service-time: <ms>";
const date = "date: <date>";
const length = "content-length: 2";

const joined = (
  "accept accept-encoding access-control-request-headers access-control-request-method authorization cache-control content-encoding content-type " +
  "grpc-accept-encoding grpc-timeout if-match if-modified-since if-none-match if-range if-unmodified-since origin pragma referer user-agent via " +
  "x-client-trace-id x-forwarded-host x-forwarded-port x-request-id x-envoy-attempt-count x-envoy-downstream-service-cluster x-envoy-original-path"
).split(" ");
const apart =
  "cookie x-custom forwarded range accept-language x-real-ip dnt priority traceparent x-b3-traceid x-envoy-foo warning link".split(
    " ",
  );
const responseJoined = (
  "access-control-allow-credentials access-control-allow-origin age cache-control content-encoding content-type date etag expires grpc-message " +
  "last-modified location vary via x-request-id x-envoy-degraded x-envoy-immediate-health-check-fail x-envoy-upstream-canary"
).split(" ");
const responseApart =
  "set-cookie x-custom link www-authenticate allow warning retry-after strict-transport-security x-envoy-foo".split(
    " ",
  );
const oneOf = (names: readonly string[]): string[] =>
  names.flatMap((name) => [`${name}: a`, "x-between: 1", `${name}: b`]);

const early = (mutations: readonly JsonObject[]): JsonObject =>
  extension(
    "envoy.http.early_header_mutation.header_mutation",
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
    { mutations },
  );

parityArea("connection-manager-headers", [
  {
    name: "fields that Envoy keeps in one place are joined before they are forwarded",
    config: http(),
    upstream: ok,
    run: async (t) => {
      await t.get("/", ...joined.flatMap((name) => [`${name}: a`, `${name}: b`]));
      assert.deepEqual(forwarded(t), [
        ...joined.map((name) => `${name}: a,b`),
        "x-forwarded-proto: http",
      ]);
    },
  },
  {
    name: "other fields stay apart",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const sent = apart.flatMap((name) => [`${name}: a`, `${name}: b`]);
      await t.get("/", ...sent);
      assert.deepEqual(forwarded(t), [...sent, "x-forwarded-proto: http", "x-request-id: <uuid>"]);
    },
  },
  {
    name: "a joined field stays where the first was",
    config: http(),
    upstream: ok,
    run: async (t) => {
      await t.get("/", ...oneOf(["accept", "origin", "cookie"]), "accept: ", "accept: c");
      assert.deepEqual(forwarded(t), [
        "accept: a,b,c",
        "x-between: 1",
        "origin: a,b",
        "x-between: 1",
        "cookie: a",
        "x-between: 1",
        "cookie: b",
        "x-forwarded-proto: http",
        "x-request-id: <uuid>",
      ]);
    },
  },
  {
    name: "matchers and logs see the joined value",
    config: http({
      logFormat: "%REQ(accept)% %REQ(x-custom)% %REQ(cookie)%",
      routes: [
        route(
          { prefix: "/", headers: [{ name: "accept", string_match: { exact: "a,b" } }] },
          direct("joined"),
        ),
        route({ prefix: "/" }, direct("other")),
      ],
    }),
    run: async (t) => {
      assert.equal(
        (
          await t.get(
            "/",
            "accept: a",
            "accept: b",
            "x-custom: a",
            "x-custom: b",
            "cookie: a",
            "cookie: b",
          )
        ).body,
        "joined",
      );
      assert.equal(await t.logLine(), "a,b a a");
    },
  },
  answered(
    "fields of a response are joined and kept apart",
    {},
    responseJoined.concat(responseApart).flatMap((name) => [`${name}: a`, `${name}: b`]),
    [
      ...responseJoined.map((name) => `${name}: a,b`),
      ...responseApart.flatMap((name) => [`${name}: a`, `${name}: b`]),
      length,
      time,
      "server: envoy",
    ],
  ),
  answered("server OVERWRITE", {}, ["server: up"], ["server: envoy", length, time, date]),
  answered(
    "server OVERWRITE with a name",
    { server_name: "mesh" },
    ["server: up"],
    ["server: mesh", length, time, date],
  ),
  answered(
    "server APPEND_IF_ABSENT",
    { server_header_transformation: "APPEND_IF_ABSENT" },
    ["server: up"],
    ["server: up", length, time, date],
  ),
  answered(
    "server APPEND_IF_ABSENT, absent",
    { server_header_transformation: "APPEND_IF_ABSENT" },
    [],
    [length, time, date, "server: envoy"],
  ),
  answered(
    "server PASS_THROUGH",
    { server_header_transformation: "PASS_THROUGH" },
    [],
    [length, time, date],
  ),
  answered(
    "via",
    { via: "mesh" },
    ["via: 1.0 up"],
    ["via: 1.0 up, mesh", length, time, date, "server: envoy"],
  ),
  answered(
    "date of the upstream is kept",
    {},
    ["date: yesterday"],
    ["date: yesterday", length, time, "server: envoy"],
  ),
  answered(
    "x-envoy fields of the upstream",
    {},
    [
      "x-envoy-upstream-service-time: 77",
      "x-envoy-decorator-operation: a",
      "x-envoy-overloaded: true",
      "x-envoy-attempt-count: 3",
      "x-envoy-expected-rq-timeout-ms: 3",
    ],
    [
      time,
      "x-envoy-decorator-operation: a",
      "x-envoy-overloaded: true",
      "x-envoy-attempt-count: 3",
      "x-envoy-expected-rq-timeout-ms: 3",
      length,
      date,
      "server: envoy",
    ],
  ),
  {
    name: "server PASS_THROUGH of a local reply",
    config: http({
      manager: { server_header_transformation: "PASS_THROUGH" },
      routes: [route({ path: "/none" }, direct("x"))],
    }),
    run: async (t) => {
      assert.deepEqual(headerLines((await t.get("/")).raw), [date, "content-length: 0"]);
    },
  },
  {
    name: "via of requests",
    config: http({ manager: { via: "mesh" } }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "via: 1.0 a", "via: 1.0 b");
      assert.deepEqual(forwarded(t), [
        "via: 1.0 a,1.0 b, mesh",
        "x-forwarded-proto: http",
        "x-request-id: <uuid>",
      ]);
    },
  },
  {
    name: "headers_with_underscores_action of trailers and names",
    config: http({
      manager: {
        common_http_protocol_options: { headers_with_underscores_action: "DROP_HEADER" },
        http_protocol_options: { enable_trailers: true },
      },
    }),
    upstream: ok,
    run: async (t) => {
      await t.send(
        `${lines("POST / HTTP/1.1", "host: h", "x_a: 1", "x-a: 2", "transfer-encoding: chunked", "te: trailers")}2\r\nab\r\n0\r\nx_t: 1\r\nx-t: 2\r\n\r\n`,
      );
      assert.deepEqual(forwarded(t), [
        "x-a: 2",
        "te: trailers",
        "x-forwarded-proto: http",
        "x-request-id: <uuid>",
        "transfer-encoding: chunked",
      ]);
    },
  },
  {
    name: "early_header_mutation_extensions",
    config: http({
      manager: {
        early_header_mutation_extensions: [
          early([{ append: header("x-early", "%REQ(:PATH)%") }, { remove: "x-gone" }]),
        ],
      },
      routes: [
        route(
          { prefix: "/", headers: [{ name: "x-early", string_match: { exact: "/p" } }] },
          toCluster(),
        ),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/p", "x-gone: 1")).status, 200);
      assert.deepEqual(forwarded(t), [
        "x-early: /p",
        "x-forwarded-proto: http",
        "x-request-id: <uuid>",
      ]);
    },
  },
  {
    name: "early_header_mutation_extensions come before the client's address and behind the path's rules",
    config: http({
      manager: {
        normalize_path: true,
        early_header_mutation_extensions: [
          early([
            { append: header("x-forwarded-for", "1.2.3.4") },
            { append: header("x-request-id", "mine", "OVERWRITE_IF_EXISTS_OR_ADD") },
            { append: header("x-seen", "%REQ(:PATH)%|%REQ(X-FORWARDED-PROTO)%") },
            { remove: "x-envoy-retry-on" },
          ]),
        ],
      },
      logFormat: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/a/../b");
      assert.deepEqual(forwarded(t), [
        "x-forwarded-for: 1.2.3.4",
        "x-request-id: mine",
        "x-seen: /b|",
        "x-forwarded-proto: http",
      ]);
      assert.equal(await t.logLine(), "1.2.3.4");
    },
  },
  {
    name: "add_user_agent names this proxy's cluster and node",
    config: http({ manager: { add_user_agent: true } }),
    upstream: ok,
    own: { arguments: ["--service-cluster", "mesh", "--service-node", "one"] },
    run: async (t) => {
      await t.get("/");
      const all = [
        "x-envoy-downstream-service-cluster: mesh",
        "user-agent: mesh",
        "x-envoy-downstream-service-node: one",
      ];
      assert.deepEqual(forwarded(t), ["x-forwarded-proto: http", ...all, "x-request-id: <uuid>"]);
      await t.get("/", "user-agent: mine", "x-envoy-downstream-service-cluster: mine");
      assert.deepEqual(forwarded(t), [
        "user-agent: mine",
        "x-envoy-downstream-service-cluster: mesh",
        "x-forwarded-proto: http",
        "x-envoy-downstream-service-node: one",
        "x-request-id: <uuid>",
      ]);
    },
  },
  {
    name: "trace headers of the client pass the edge",
    config: http({ manager: { use_remote_address: true } }),
    upstream: ok,
    run: async (t) => {
      await t.get(
        "/",
        "x-client-trace-id: abc",
        "traceparent: 00-a-b-01",
        "x-b3-sampled: 1",
        "x-ot-span-context: a",
      );
      assert.deepEqual(
        forwarded(t).filter((line) => !line.startsWith("x-forwarded-for")),
        [
          "x-client-trace-id: abc",
          "traceparent: 00-a-b-01",
          "x-b3-sampled: 1",
          "x-ot-span-context: a",
          "x-forwarded-proto: http",
          "x-envoy-external-address: 127.0.0.1",
          "x-request-id: <uuid>",
        ],
      );
    },
  },
  {
    name: "forwarded client certificates are removed from plaintext requests",
    config: http({
      manager: {
        forward_client_cert_details: "APPEND_FORWARD",
        set_current_client_cert_details: { subject: true },
      },
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-forwarded-client-cert: By=a");
      assert.deepEqual(forwarded(t), ["x-forwarded-proto: http", "x-request-id: <uuid>"]);
    },
  },
  {
    name: "ALWAYS_FORWARD_ONLY keeps the certificate of a plaintext request",
    config: http({ manager: { forward_client_cert_details: "ALWAYS_FORWARD_ONLY" } }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-forwarded-client-cert: By=a");
      assert.deepEqual(forwarded(t), [
        "x-forwarded-client-cert: By=a",
        "x-forwarded-proto: http",
        "x-request-id: <uuid>",
      ]);
    },
  },
  {
    name: "flush_access_log_on_new_request",
    config: http({
      manager: { access_log_options: { flush_access_log_on_new_request: true } },
      logFormat: "%ACCESS_LOG_TYPE% %RESPONSE_CODE% %REQ(:PATH)% %RESPONSE_FLAGS%",
    }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/a"));
      assert.equal(await t.logLine(), "DownstreamStart 0 /a -");
      const connection = await t.upstream().connection();
      await connection.request();
      await connection.write(response(200, "ok"));
      await client.response();
      assert.equal((await t.log(2))[1], "DownstreamEnd 200 /a -");
    },
  },
  {
    name: "access_log_flush_interval",
    config: http({
      manager: { access_log_options: { access_log_flush_interval: "0.1s" } },
      logFormat: "%ACCESS_LOG_TYPE% %RESPONSE_CODE% %BYTES_SENT%",
    }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/a"));
      const connection = await t.upstream().connection();
      await connection.request();
      await connection.write(lines("HTTP/1.1 200 OK", "content-length: 5"), "ab");
      await client.readThrough("ab");
      await t.eventually(async () =>
        assert.ok((await t.log()).includes("DownstreamPeriodic 200 2")),
      );
      await connection.write("cde");
      await client.readThrough("cde");
      await t.eventually(async () => assert.equal((await t.log()).at(-1), "DownstreamEnd 200 5"));
    },
  },
  {
    name: "both host port options are refused",
    own: { start: false },
    config: http({
      manager: { strip_any_host_port: true, strip_matching_host_port: true },
      routes: [route({ prefix: "/" }, direct("x"))],
    }),
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1);
      assert.match(output, /strip_any_host_port|port_strip/);
    },
  },
  {
    name: "counters of requests and connections",
    config: http({
      manager: closesSoon,
      routes: [route({ path: "/d" }, direct("d", 301)), route()],
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.exchange(get("/"));
      await client.exchange(get("/d"));
      await client.exchange("BAD\r\n\r\n");
      client.close();
      await t.stats({
        "http.{case}.downstream_cx_total": 1,
        "http.{case}.downstream_cx_http1_total": 1,
        "http.{case}.downstream_cx_http1_active": 0,
        "http.{case}.downstream_cx_active": 0,
        "http.{case}.downstream_cx_destroy": 1,
        "http.{case}.downstream_cx_protocol_error": 1,
        "http.{case}.downstream_rq_total": 3,
        "http.{case}.downstream_rq_http1_total": 3,
        "http.{case}.downstream_rq_active": 0,
        "http.{case}.downstream_rq_completed": 3,
        "http.{case}.downstream_rq_2xx": 1,
        "http.{case}.downstream_rq_3xx": 1,
        "http.{case}.downstream_rq_4xx": 1,
        "http.{case}.downstream_rq_rx_reset": 1,
        "http.{case}.rq_total": 2,
        "http.{case}.rq_direct_response": 1,
        "listener.{case}.http.{case}.downstream_rq_2xx": 1,
        "listener.{case}.http.{case}.downstream_rq_completed": 3,
      });
    },
  },
  {
    name: "a client that goes away is a reset",
    config: http(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      await (await t.upstream().connection()).request();
      client.close();
      assert.equal(await t.logLine(), "0 DC downstream_remote_disconnect");
      await t.stats({
        "http.{case}.downstream_rq_rx_reset": 1,
        "http.{case}.downstream_rq_tx_reset": 0,
        "http.{case}.downstream_rq_completed": 0,
        "http.{case}.downstream_rq_active": 0,
        "http.{case}.downstream_cx_destroy_remote_active_rq": 1,
        "http.{case}.downstream_cx_destroy_active_rq": 1,
        "http.{case}.downstream_cx_destroy_remote": 1,
      });
    },
  },
]);
