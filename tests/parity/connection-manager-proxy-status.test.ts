import assert from "node:assert/strict";
import { answer, byHand, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  cluster,
  direct,
  type HttpOptions,
  http,
  type JsonObject,
  route,
  toCluster,
} from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { headerLines } from "./harness/forwarded.ts";
import { closesSoon, lines } from "./harness/http1.ts";

const resets: Script = async (connection) => {
  await connection.request();
  connection.reset();
};
const manager = (config: JsonObject, more: JsonObject = {}): JsonObject => ({
  ...closesSoon,
  proxy_status_config: config,
  ...more,
});
const routes = [
  route({ path: "/d" }, direct("d", 418)),
  route({ path: "/up" }, toCluster()),
  route({ path: "/slow" }, toCluster("main", { timeout: "0.1s" })),
];
const nobody = cluster("main", { load_assignment: { cluster_name: "x", endpoints: [] } });

/** What a request is told, as `STATUS PROXY-STATUS`. */
const told = (
  name: string,
  sent: string,
  expected: string,
  options: HttpOptions,
  upstream: Script = resets,
): ParityCase => ({
  name,
  config: http({ routes, ...options }),
  upstream,
  run: async (t) => {
    const got = await t.send(sent);
    assert.equal(`${got.status} ${got.header("proxy-status")}`, expected);
  },
});
const recommended = { set_recommended_response_code: true, literal_proxy_name: "mesh" };

parityArea("connection-manager-proxy-status", [
  told(
    "no route",
    get("/none"),
    '500 mesh; error=destination_not_found; details="route_not_found; NR"',
    { manager: manager(recommended) },
  ),
  told("a direct response", get("/d"), "418 undefined", { manager: manager(recommended) }),
  told(
    "the upstream resets",
    get("/up"),
    '502 mesh; error=connection_terminated; details="upstream_reset_before_response_started{connection_termination}; UC"',
    { manager: manager(recommended) },
  ),
  told(
    "the upstream times out",
    get("/slow"),
    '504 mesh; error=http_response_timeout; details="response_timeout; UT"',
    { manager: manager(recommended) },
    byHand(),
  ),
  told(
    "the upstream speaks no HTTP",
    get("/up"),
    '502 mesh; error=http_protocol_error; details="upstream_reset_before_response_started{protocol_error}; UPE"',
    { manager: manager(recommended) },
    answer("garbage\r\n\r\n"),
  ),
  told(
    "nobody to connect to",
    get("/up"),
    '503 mesh; error=destination_unavailable; details="no_healthy_upstream; UH"',
    { manager: manager(recommended), clusters: [nobody] },
  ),
  told("a broken request", "BAD\r\n\r\n", "400 undefined", { manager: manager(recommended) }),
  told("a request without Host", lines("GET / HTTP/1.1"), "400 undefined", {
    manager: manager(recommended),
  }),
  told("too much of a head", get("/up", `x: ${"a".repeat(70_000)}`), "431 undefined", {
    manager: manager(recommended),
  }),
  told("a refused path", get("/a%00"), "400 undefined", {
    manager: manager(recommended, { normalize_path: true }),
  }),
  told(
    "a stream that idles",
    get("/up"),
    '504 mesh; error=http_response_timeout; details="stream_idle_timeout; SI"',
    { manager: manager(recommended, { stream_idle_timeout: "0.1s" }) },
    byHand(),
  ),
  told(
    "a refused upgrade",
    lines("GET /up HTTP/1.1", "host: h", "connection: upgrade", "upgrade: websocket"),
    "403 undefined",
    { manager: manager(recommended) },
  ),
  told(
    "the status stays unless it is to be recommended",
    get("/none"),
    '404 envoy; error=destination_not_found; details="route_not_found; NR"',
    { manager: manager({}) },
  ),
  told("without details", get("/up"), "503 envoy; error=connection_terminated", {
    manager: manager({ remove_details: true }),
  }),
  told(
    "without flags",
    get("/up"),
    '503 envoy; error=connection_terminated; details="upstream_reset_before_response_started{connection_termination}"',
    { manager: manager({ remove_response_flags: true }) },
  ),
  told("without details and flags", get("/up"), "503 envoy; error=connection_terminated", {
    manager: manager({ remove_response_flags: true, remove_details: true }),
  }),
  told(
    "without connection termination details",
    get("/up"),
    '503 envoy; error=connection_terminated; details="upstream_reset_before_response_started{connection_termination}; UC"',
    { manager: manager({ remove_connection_termination_details: true }) },
  ),
  told(
    "a name from the server",
    get("/none"),
    '404 named; error=destination_not_found; details="route_not_found; NR"',
    { manager: manager({}, { server_name: "named" }) },
  ),
  told(
    "a connection that is refused",
    get("/up"),
    '502 mesh; error=connection_refused; details="upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}; UF"',
    {
      manager: manager(recommended),
      clusters: [
        cluster("main", {
          load_assignment: {
            cluster_name: "x",
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: {
                      address: { socket_address: { address: "127.0.0.1", port_value: 1 } },
                    },
                  },
                ],
              },
            ],
          },
        }),
      ],
    },
  ),
  told(
    "no request allowed",
    get("/up"),
    '503 mesh; error=connection_limit_reached; details="upstream_reset_before_response_started{overflow}; UO"',
    {
      manager: manager(recommended),
      clusters: [cluster("main", { circuit_breakers: { thresholds: [{ max_requests: 0 }] } })],
    },
  ),
  told(
    "no such cluster",
    get("/up"),
    '503 mesh; error=destination_unavailable; details="cluster_not_found; NC"',
    {
      manager: manager(recommended),
      routes: [route({ prefix: "/" }, { route: { cluster_header: "x-c" } })],
    },
  ),
  told(
    "a stream that takes too long",
    get("/up"),
    "504 undefined",
    {
      manager: manager(recommended, {
        common_http_protocol_options: { max_stream_duration: "0.1s" },
      }),
    },
    byHand(),
  ),
  {
    name: "the header's place and the status in logs and counters",
    config: http({
      manager: manager(recommended, { via: "v", always_set_request_id_in_response: true }),
    }),
    upstream: resets,
    run: async (t) => {
      const got = await t.get("/");
      assert.deepEqual(headerLines(got.raw), [
        "content-length: 95",
        "content-type: text/plain",
        "date: <date>",
        "server: envoy",
        "x-request-id: <uuid>",
        "via: v",
        'proxy-status: mesh; error=connection_terminated; details="upstream_reset_before_response_started{connection_termination}; UC"',
      ]);
      assert.equal(
        await t.logLine(),
        "502 UC upstream_reset_before_response_started{connection_termination}",
      );
      await t.stats({ "http.{case}.downstream_rq_5xx": 1 });
    },
  },
  told(
    "a gRPC request",
    get("/none", "content-type: application/grpc"),
    '500 mesh; error=destination_not_found; details="route_not_found; NR"',
    { manager: manager(recommended) },
  ),
  {
    name: "an answer of the upstream is passed on as it is",
    config: http({ manager: manager(recommended) }),
    upstream: answer(response(503, "x", "proxy-status: other")),
    run: async (t) => {
      assert.equal((await t.get("/")).header("proxy-status"), "other");
    },
  },
]);
