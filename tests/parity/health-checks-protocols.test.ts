import assert from "node:assert/strict";
import type { Script } from "../../testkit/fake-upstream.ts";
import type { FramePeer } from "../../testkit/http2/frame-peer.ts";
import { answerFrames, frameUpstream } from "../../testkit/http2/frame-peer.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster, header, http, type JsonObject } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { check, checkHttp, checking, checks, flags, reaches } from "./harness/health-checks.ts";
import { streamText, upstreamFrames, upstreamOptions } from "./harness/http2.ts";
import { always } from "./harness/outlier.ts";
import { certificates, trust, upstreamTls } from "./harness/tls.ts";

const overHttp2 = upstreamOptions({ explicit_http_config: { http2_protocol_options: {} } });

/** What the first check sent. */
async function firstStream(t: CaseContext): Promise<readonly string[]> {
  const peer: FramePeer = await upstreamFrames(t);
  return streamText(await peer.whole(1));
}

const http2Checks: readonly ParityCase[] = [
  {
    name: "codec_client_type HTTP2",
    config: checking(checkHttp({ codec_client_type: "HTTP2" }), undefined, overHttp2),
    upstream: answerFrames([[":status", "200"]]),
    run: async (t) => {
      await flags(t, "healthy");
      assert.deepEqual(await firstStream(t), [
        t.fill(
          ":authority: {case}-main; :method: GET; :path: /check; :scheme: http; user-agent: Envoy/HC",
        ),
        "end",
      ]);
      await reaches(t, "success", 3);
      assert.equal(t.upstream().connections.length, 1);
    },
  },
  {
    name: "codec_client_type HTTP2: GOAWAY, and the next check has a connection of its own",
    config: checking(checkHttp({ codec_client_type: "HTTP2" }), undefined, overHttp2),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        peer.message(id, [[":status", "200"]]);
        peer.send(goAway);
      },
    }),
    run: async (t) => {
      await reaches(t, "success", 3);
      assert.ok(t.upstream().connections.length >= 2);
      await checks(t, { failure: 0 });
    },
  },
  {
    name: "a stream that is reset is a failure of the network",
    config: checking(checkHttp({ codec_client_type: "HTTP2" }), undefined, overHttp2),
    upstream: frameUpstream({ onEnd: ({ id }, peer) => peer.send(reset(id)) }),
    run: async (t) => {
      await flags(t, "/failed_active_hc");
      await reaches(t, "network_failure", 3);
      await checks(t, { success: 0 });
    },
  },
];

const goAway = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
const reset = (id: number): Buffer => Buffer.from([0, 0, 4, 3, 0, 0, 0, 0, id, 0, 0, 0, 2]);

const grpcHead: readonly Field[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];

/** A server of grpc.health.v1.Health that always says the same. */
const grpcServer = (body: readonly number[], status = "0"): Script =>
  answerFrames(grpcHead, {
    body: Buffer.from([0, 0, 0, 0, body.length, ...body]),
    trailers: [["grpc-status", status]],
  });

const grpcCheck = (config: JsonObject = {}, more: JsonObject = {}): JsonObject => {
  const { http_health_check: _http, ...rest } = check(more);
  return { ...rest, grpc_health_check: config };
};

function grpc(
  name: string,
  upstream: Script,
  expected: string,
  config: JsonObject = {},
): ParityCase {
  return {
    name,
    config: checking(grpcCheck(config), undefined, overHttp2),
    upstream,
    run: async (t) => {
      await flags(t, expected);
      if (expected === "healthy") await reaches(t, "success", 2);
      else await reaches(t, "failure", 2);
      await checks(t, { healthy: expected === "healthy" ? 1 : 0, network_failure: 0 });
    },
  };
}

const grpcChecks: readonly ParityCase[] = [
  grpc("gRPC: SERVING", grpcServer([8, 1]), "healthy"),
  grpc("gRPC: NOT_SERVING", grpcServer([8, 2]), "/failed_active_hc"),
  grpc("gRPC: UNKNOWN, which is no bytes at all", grpcServer([]), "/failed_active_hc"),
  grpc("gRPC: SERVING with a bad status", grpcServer([8, 1], "13"), "/failed_active_hc"),
  grpc(
    "gRPC: no such service",
    answerFrames([...grpcHead, ["grpc-status", "12"]]),
    "/failed_active_hc",
  ),
  grpc("gRPC: 503", answerFrames([[":status", "503"]]), "/failed_active_hc"),
  grpc(
    "gRPC: not gRPC",
    answerFrames(
      [
        [":status", "200"],
        ["content-type", "text/plain"],
      ],
      { body: "ok" },
    ),
    "/failed_active_hc",
  ),
  {
    name: "gRPC: the request",
    config: checking(
      grpcCheck({
        service_name: "a.B",
        authority: "grpc.test",
        initial_metadata: [header("x-a", "1")],
      }),
      undefined,
      overHttp2,
    ),
    upstream: grpcServer([8, 1]),
    run: async (t) => {
      assert.deepEqual(await firstStream(t), [
        ":authority: grpc.test; :method: POST; :path: /grpc.health.v1.Health/Check; :scheme: http; " +
          "content-type: application/grpc; grpc-timeout: 5000m; te: trailers; user-agent: Envoy/HC; x-a: 1",
        "\0\0\0\0\x05\n\x03a.B",
        "end",
      ]);
    },
  },
];

const tcpCheck = (config: JsonObject, more: JsonObject = {}): JsonObject => {
  const { http_health_check: _http, ...rest } = check(more);
  return { ...rest, tcp_health_check: config };
};

/** Says this to every `ping`. */
const ponging =
  (answer: string): Script =>
  async (connection) => {
    for (;;) {
      const ping = await connection.until("ping", ({ unread, state }) =>
        unread.includes("ping") || state !== "open" ? unread : undefined,
      );
      if (!ping.includes("ping")) break;
      connection.consume(ping.length);
      await connection.write(answer);
    }
    connection.end();
  };

const ping = { send: { text: "70696e67" } };

const tcpChecks: readonly ParityCase[] = [
  {
    name: "TCP: a connection is enough",
    config: checking(tcpCheck({})),
    upstream: async (connection) => {
      await connection.request();
      connection.end();
    },
    run: async (t) => {
      await flags(t, "healthy");
      await reaches(t, "success", 3);
      assert.ok(t.upstream().connections.length >= 2);
      await checks(t, { failure: 0 });
    },
  },
  {
    name: "TCP: send and receive on one connection",
    config: checking(tcpCheck({ ...ping, receive: [{ text: "706f" }, { text: "6e67" }] })),
    upstream: ponging("-po-ng-"),
    run: async (t) => {
      await flags(t, "healthy");
      await reaches(t, "success", 3);
      assert.equal(t.upstream().connections.length, 1);
    },
  },
  {
    name: "TCP: reuse_connection false",
    config: checking(
      tcpCheck({ ...ping, receive: [{ text: "706f6e67" }] }, { reuse_connection: false }),
    ),
    upstream: ponging("pong"),
    run: async (t) => {
      await reaches(t, "success", 3);
      assert.ok(t.upstream().connections.length >= 3);
      await checks(t, { failure: 0 });
    },
  },
  {
    name: "TCP: something else is waited out",
    config: checking(tcpCheck({ ...ping, receive: [{ text: "706f6e67" }] }, { timeout: "0.1s" })),
    upstream: ponging("gnop"),
    run: async (t) => {
      await flags(t, "/failed_active_hc/active_hc_timeout");
      await reaches(t, "network_failure", 2);
    },
  },
  {
    name: "TCP: closed before it answers",
    config: checking(tcpCheck({ ...ping, receive: [{ text: "706f6e67" }] })),
    upstream: (connection) => connection.end(),
    run: async (t) => {
      await flags(t, "/failed_active_hc");
      await reaches(t, "network_failure", 2);
    },
  },
  ...(["V1", "V2"] as const).map((version) => ({
    name: `TCP: proxy_protocol_config ${version}`,
    config: checking(
      tcpCheck({
        ...ping,
        receive: [{ text: "706f6e67" }],
        proxy_protocol_config: { version },
      }),
    ),
    upstream: ponging("pong"),
    run: async (t: CaseContext) => {
      await flags(t, "healthy");
      const header1 = /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\nping/;
      const header2 = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0ping";
      const { received } = t.upstream();
      if (version === "V1") assert.match(received, header1);
      else assert.ok(received.startsWith(header2), JSON.stringify(received));
    },
  })),
];

const { a } = certificates;

const tls: readonly ParityCase[] = [
  {
    name: "TLS: checks go through the cluster's transport socket",
    config: checking(check(), undefined, {
      transport_socket: upstreamTls({ validation: trust() }),
    }),
    upstream: always(200),
    upstreamTls: { cert: a.certificate, key: a.key },
    run: async (t) => {
      await flags(t, "healthy");
      assert.match(t.upstream().received, /^GET \/check HTTP\/1\.1\r\n/);
    },
  },
  {
    name: "TLS: tls_options.alpn_protocols",
    config: checking(check({ tls_options: { alpn_protocols: ["checks"] } }), undefined, {
      transport_socket: upstreamTls({ validation: trust() }),
    }),
    upstream: always(200),
    upstreamTls: { cert: a.certificate, key: a.key, ALPNProtocols: ["checks"] },
    run: async (t) => {
      await flags(t, "healthy");
      assert.equal(t.upstream().tls().alpnProtocol, "checks");
    },
  },
  {
    name: "TLS: transport_socket_match_criteria",
    config: checking(check({ transport_socket_match_criteria: { tls: true } }), undefined, {
      transport_socket_matches: [
        {
          name: "checks",
          match: { tls: true },
          transport_socket: upstreamTls({ validation: trust() }),
        },
      ],
    }),
    upstream: always(200),
    upstreamTls: { cert: a.certificate, key: a.key },
    run: async (t) => {
      await flags(t, "healthy");
      assert.match(t.upstream().received, /^GET \/check HTTP\/1\.1\r\n/);
    },
  },
];

function refuses(name: string, healthChecks: readonly JsonObject[], reason: RegExp): ParityCase {
  return {
    name: `refuses ${name}`,
    config: http({ clusters: [cluster("main", { health_checks: healthChecks })] }),
    upstream: always(200),
    own: { start: false },
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1);
      assert.match(output, reason);
    },
  };
}

const refused: readonly ParityCase[] = [
  refuses(
    "gRPC over HTTP/1",
    [grpcCheck()],
    /main cluster must support HTTP\/2 for gRPC healthchecking/,
  ),
  refuses(
    "a body for GET",
    [checkHttp({ send: { text: "00" } })],
    /HTTP health check cannot specify a request payload with method 'GET'/,
  ),
  refuses("bad hexadecimal", [checkHttp({ receive: [{ text: "xx" }] })], /invalid hex string 'xx'/),
  refuses(
    "an empty range",
    [checkHttp({ expected_statuses: [{ start: 200, end: 200 }] })],
    /Invalid http expected status range: expecting start < end, but found start=200 and end=200/,
  ),
  refuses(
    "more to receive than is kept",
    [checkHttp({ receive: [{ text: "000000" }], response_buffer_size: 2 })],
    /The expected response length '3' is over than http health response buffer size '2'/,
  ),
];

parityArea("health-checks-protocols", [
  ...http2Checks,
  ...grpcChecks,
  ...tcpChecks,
  ...tls,
  ...refused,
]);
