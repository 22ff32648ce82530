/** Which HTTP is spoken on either side, and what of a request changes with it: paths, schemes, what is logged. */
import { answer, response } from "../../testkit/fake-upstream.ts";
import { answerFrames, eitherUpstream, FramePeer } from "../../testkit/http2/frame-peer.ts";
import { headers, literals } from "../../testkit/http2/frames.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { parityArea } from "./harness/area.ts";
import { cluster, type HttpOptions, http, type JsonObject } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import {
  askFrames,
  connectFrames,
  forwardedFrames,
  forwardedText,
  http2,
  http2Cluster,
  okFrames,
  request,
  streamText,
  toHttp1,
  upstreamFrames,
  upstreamOptions,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";
import { certificates, downstreamTls, https, secure, trust, upstreamTls } from "./harness/tls.ts";

const ok = answer(response(200, "ok"));
const either = eitherUpstream(okFrames, ok);
const logFormat = "%RESPONSE_CODE% %PROTOCOL% %UPSTREAM_PROTOCOL%";
const listening = (options: JsonObject, more: HttpOptions = {}) =>
  http({ logFormat, clusters: [cluster("main", upstreamOptions(options))], ...more });
const { a } = certificates;
const serverTls = { cert: a.certificate, key: a.key };
const auto = {
  auto_config: { http_protocol_options: {}, http2_protocol_options: {} },
};
const autoCluster = (more: JsonObject = {}) =>
  cluster("main", {
    ...upstreamOptions({ ...auto, ...more }),
    transport_socket: upstreamTls({ validation: trust() }),
  });

/** A request with this path and scheme: the answer's head, what is logged. */
async function asks(t: CaseContext, fields: readonly Field[], index: number): Promise<string> {
  const client = await connectFrames(t);
  client.message(1, fields);
  const { sections, end } = await client.whole(1);
  return `${sections[0]?.join("; ") ?? end}, ${(await t.log(index + 1))[index]}`;
}

const paths = async (
  t: CaseContext,
  ...all: readonly string[]
): Promise<(readonly string[] | string)[]> => {
  const seen: string[] = [];
  for (const [index, path] of all.entries())
    seen.push(`${path}: ${await asks(t, request("GET", path), index)}`);
  return [...seen, t.upstream().requests.map(({ startLine }) => startLine)];
};

parityArea("http2-protocols", [
  scene({
    name: "the codec is found out by the first bytes",
    config: http({ logFormat }),
    upstream: ok,
    act: async (t) => {
      await askFrames(t, request("GET", "/"));
      await t.get("/");
      return await t.log(2);
    },
    sees: ["200 HTTP/2 HTTP/1.1", "200 HTTP/1.1 HTTP/1.1"],
  }),
  scene({
    name: "an HTTP/1 listener does not speak HTTP/2",
    config: http({ manager: { codec_type: "HTTP1" }, logFormat }),
    upstream: ok,
    act: async (t) => {
      const client = await t.connect();
      const got = await client.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      return [got.startLine, await t.logLine()];
    },
    sees: ["HTTP/1.1 400 Bad Request", "400 HTTP/1.1 -"],
  }),
  scene({
    name: "an HTTP/2 listener does not speak HTTP/1",
    config: http2(),
    upstream: ok,
    act: async (t) => {
      const client = await t.connect();
      await client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await client.ended();
      await t.stats({ "http.{case}.downstream_cx_protocol_error": 1 });
      return [];
    },
    sees: [],
  }),
  scene({
    name: "use_downstream_protocol_config: each client's own",
    config: listening({
      use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
    }),
    upstream: either,
    act: async (t) => {
      const frames = streamText(await askFrames(t, request("GET", "/")));
      const got = await t.get("/");
      await t.stats({
        "cluster.{case}-main.upstream_cx_http1_total": 1,
        "cluster.{case}-main.upstream_cx_http2_total": 1,
        "cluster.{case}-main.upstream_cx_total": 2,
      });
      return [frames, got.startLine, ...(await t.log(2))];
    },
    sees: [
      [":status: 200", "ok", "end"],
      "HTTP/1.1 200 OK",
      "200 HTTP/2 HTTP/2",
      "200 HTTP/1.1 HTTP/1.1",
    ],
  }),
  scene({
    name: "use_downstream_protocol_config needs no options for HTTP/2",
    config: listening({ use_downstream_protocol_config: { http_protocol_options: {} } }),
    upstream: either,
    act: async (t) => {
      await askFrames(t, request("GET", "/"));
      return await t.log();
    },
    sees: ["200 HTTP/2 HTTP/2"],
  }),
  scene({
    name: "auto_config: HTTP/2 where the upstream agrees to it",
    config: http({ logFormat, clusters: [autoCluster()] }),
    upstream: okFrames,
    upstreamTls: { ...serverTls, ALPNProtocols: ["h2", "http/1.1"] },
    act: async (t) => {
      await t.get("/");
      await t.stats({
        "cluster.{case}-main.upstream_cx_http2_total": 1,
        "cluster.{case}-main.upstream_cx_http1_total": 0,
      });
      return [await t.logLine(), await forwardedFrames(t)];
    },
    sees: [
      "200 HTTP/1.1 HTTP/2",
      [
        ":authority: host.test; :method: GET; :path: /; :scheme: http; x-forwarded-proto: http",
        "end",
      ],
    ],
  }),
  scene({
    name: "auto_config: requests that wait for the agreement share the connection",
    config: http2({}, { logFormat, clusters: [autoCluster()] }),
    upstream: okFrames,
    upstreamTls: { ...serverTls, ALPNProtocols: ["h2"] },
    act: async (t) => {
      const client = await connectFrames(t);
      const block = literals(request("GET", "/"));
      const ids = [1, 3, 5, 7, 9];
      client.send(...ids.map((id) => headers(id, block, { end: true })));
      const ends = await Promise.all(ids.map(async (id) => (await client.whole(id)).end ?? ""));
      await t.stats({ "cluster.{case}-main.upstream_cx_http2_total": 1 });
      return ends;
    },
    sees: ["end", "end", "end", "end", "end"],
  }),
  scene({
    name: "auto_config: HTTP/1 where the upstream prefers it",
    config: http2({}, { logFormat, clusters: [autoCluster()] }),
    upstream: ok,
    upstreamTls: { ...serverTls, ALPNProtocols: ["http/1.1"] },
    act: async (t) => {
      await askFrames(t, request("GET", "/"));
      await t.stats({
        "cluster.{case}-main.upstream_cx_http1_total": 1,
        "cluster.{case}-main.upstream_cx_http2_total": 0,
      });
      return [await t.logLine(), forwardedText(t)];
    },
    sees: ["200 HTTP/2 HTTP/1.1", ["GET / HTTP/1.1; host: a.example; x-forwarded-proto: http"]],
  }),
  scene({
    name: "auto_config: HTTP/1 where the upstream knows no ALPN",
    config: http({ logFormat, clusters: [autoCluster()] }),
    upstream: ok,
    upstreamTls: serverTls,
    act: async (t) => {
      await t.get("/");
      return [await t.logLine()];
    },
    sees: ["200 HTTP/1.1 HTTP/1.1"],
  }),
  scene({
    name: "explicit HTTP/2 over TLS offers h2",
    config: http({
      logFormat,
      clusters: [
        http2Cluster({}, { more: { transport_socket: upstreamTls({ validation: trust() }) } }),
      ],
    }),
    upstream: okFrames,
    upstreamTls: { ...serverTls, ALPNProtocols: ["h2"] },
    act: async (t) => {
      await t.get("/");
      return [await t.logLine(), String(t.upstream().tls().alpnProtocol)];
    },
    sees: ["200 HTTP/1.1 HTTP/2", "h2"],
  }),
  scene({
    name: "explicit HTTP/1 over TLS offers http/1.1",
    config: http({
      logFormat,
      clusters: [cluster("main", { transport_socket: upstreamTls({ validation: trust() }) })],
    }),
    upstream: ok,
    upstreamTls: { ...serverTls, ALPNProtocols: ["h2", "http/1.1"] },
    act: async (t) => {
      await t.get("/");
      return [await t.logLine(), String(t.upstream().tls().alpnProtocol)];
    },
    sees: ["200 HTTP/1.1 HTTP/1.1", "http/1.1"],
  }),
  scene({
    name: "ALPN decides on a TLS listener, and the scheme is https",
    config: https(downstreamTls({ common: { alpn_protocols: ["h2", "http/1.1"] } }), {
      logFormat,
      clusters: [http2Cluster()],
    }),
    upstream: okFrames,
    act: async (t) => {
      const seen: string[] = [];
      for (const protocol of ["h2", "http/1.1"]) {
        await using connection = await secure(t, { ALPNProtocols: [protocol] });
        seen.push(String(connection.socket.alpnProtocol));
        if (protocol === "h2") {
          const client = new FramePeer(connection.client, "client");
          client.message(1, [
            [":method", "GET"],
            [":scheme", "https"],
            [":path", "/"],
            [":authority", "a.test"],
          ]);
          await client.whole(1);
        } else await connection.client.exchange("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
      }
      return [seen, await t.log(2), await forwardedFrames(t)];
    },
    sees: [
      ["h2", "http/1.1"],
      ["200 HTTP/2 HTTP/2", "200 HTTP/1.1 HTTP/2"],
      [
        ":authority: a.test; :method: GET; :path: /; :scheme: https; x-forwarded-proto: https",
        "end",
      ],
    ],
  }),
  scene({
    name: "the scheme of an HTTP/2 request",
    config: http2({}, { clusters: [http2Cluster()] }),
    upstream: okFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      const seen: (readonly string[])[] = [];
      for (const [index, scheme] of ["https", "HTTPS", "ftp", ""].entries()) {
        const id = 2 * index + 1;
        client.message(id, [
          [":method", "GET"],
          [":scheme", scheme],
          [":path", `/${scheme}`],
          [":authority", "a.test"],
        ]);
        seen.push(streamText(await client.whole(id)));
        if (client.streams.get(id)?.end === "closed") break;
      }
      const upstream = await upstreamFrames(t);
      return [...seen, ...[...upstream.streams.values()].map((stream) => streamText(stream))];
    },
    sees: [
      [":status: 200", "ok", "end"],
      [":status: 200", "ok", "end"],
      [":status: 200", "ok", "end"],
      ["closed"],
      [
        ":authority: a.test; :method: GET; :path: /https; :scheme: https; x-forwarded-proto: http",
        "end",
      ],
      [
        ":authority: a.test; :method: GET; :path: /HTTPS; :scheme: https; x-forwarded-proto: http",
        "end",
      ],
      [
        ":authority: a.test; :method: GET; :path: /ftp; :scheme: http; x-forwarded-proto: http",
        "end",
      ],
    ],
  }),
  scene({
    name: "x-forwarded-proto of the client decides the scheme",
    config: http2({}, { clusters: [http2Cluster()] }),
    upstream: okFrames,
    act: async (t) => {
      await askFrames(t, request("GET", "/", ["x-forwarded-proto", "https"]));
      return [await forwardedFrames(t)];
    },
    sees: [
      [
        ":authority: a.example; :method: GET; :path: /; :scheme: http; x-forwarded-proto: https",
        "end",
      ],
    ],
  }),
  scene({
    name: "paths are normalised over HTTP/2",
    config: toHttp1(
      {},
      {
        normalize_path: true,
        merge_slashes: true,
        path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT",
      },
    ),
    upstream: ok,
    act: (t) => paths(t, "/a/../b", "/a//b/./c?d//e", "/%61", "/a%2fb", "/%00", "/a#b"),
    sees: [
      "/a/../b: :status: 200; content-length: 2, 200 - via_upstream",
      "/a//b/./c?d//e: :status: 200; content-length: 2, 200 - via_upstream",
      "/%61: :status: 200; content-length: 2, 200 - via_upstream",
      "/a%2fb: :status: 307; location: /a/b, 307 - path_normalization_failed",
      "/%00: :status: 400, 400 - path_normalization_failed",
      "/a#b: :status: 400, 400 - path_normalization_failed",
      ["GET /b HTTP/1.1", "GET /a/b/c?d//e HTTP/1.1", "GET /a HTTP/1.1"],
    ],
  }),
  scene({
    name: "odd paths over HTTP/2",
    config: toHttp1(),
    upstream: ok,
    act: async (t) => [
      await asks(t, request("OPTIONS", "*"), 0),
      await asks(t, request("GET", "http://a.example/"), 1),
      await asks(t, request("GET", "*"), 2),
      await asks(t, request("GET", ""), 3),
      await asks(t, request("GET", "a"), 4),
      await asks(t, request("GET", "/?a b"), 5),
    ],
    sees: [
      ":status: 404, 404 - absolute_path_rejected",
      "closed, 0 DPE http2.violation.of.messaging.rule",
      "closed, 0 DPE http2.violation.of.messaging.rule",
      "closed, 0 DPE http2.invalid.header.field",
      "closed, 0 DPE http2.violation.of.messaging.rule",
      "closed, 0 DPE http2.invalid.header.field",
    ],
  }),
  scene({
    name: "hosts over HTTP/2: ports and dots",
    config: toHttp1({}, { strip_any_host_port: true, strip_trailing_host_dot: true }),
    upstream: ok,
    act: async (t) => {
      const seen: (readonly string[])[] = [];
      for (const host of ["a.example:80", "a.example.", "[::1]:80"]) {
        await askFrames(t, [
          [":method", "GET"],
          [":scheme", "http"],
          [":path", "/"],
          [":authority", host],
        ]);
        seen.push(forwardedText(t));
      }
      return seen;
    },
    sees: [
      ["GET / HTTP/1.1; host: a.example; x-forwarded-proto: http"],
      ["GET / HTTP/1.1; host: a.example; x-forwarded-proto: http"],
      ["GET / HTTP/1.1; host: [::1]; x-forwarded-proto: http"],
    ],
  }),
  scene({
    name: "what is logged of heads, bodies and trailers over HTTP/2",
    config: http2(
      {},
      {
        logFormat:
          "%PROTOCOL% %REQ(:AUTHORITY)% %REQ(:METHOD)% %REQ(:PATH)% %REQ(:SCHEME)% %RESP(:STATUS)% %TRAILER(X-LAST)% %BYTES_RECEIVED% %BYTES_SENT% %REQUEST_HEADERS_BYTES% %RESPONSE_TRAILERS_BYTES%",
        clusters: [http2Cluster()],
        manager: { generate_request_id: false, server_header_transformation: "PASS_THROUGH" },
      },
    ),
    upstream: answerFrames(
      [
        [":status", "200"],
        ["date", "x"],
      ],
      { body: "hello", trailers: [["x-last", "1"]] },
    ),
    act: async (t) => {
      await askFrames(t, request("POST", "/a?b", ["x-one", "1"]), { body: "hi" });
      return [await t.logLine()];
    },
    sees: ["HTTP/2 a.example POST /a?b http 200 1 2 5 112 7"],
  }),
  scene({
    name: "underscores over HTTP/2: dropped",
    config: toHttp1(
      {},
      { common_http_protocol_options: { headers_with_underscores_action: "DROP_HEADER" } },
    ),
    upstream: ok,
    act: async (t) => {
      await askFrames(t, request("GET", "/", ["x_a", "1"], ["x-b", "1"]));
      return [forwardedText(t), await t.logLine()];
    },
    sees: [
      ["GET / HTTP/1.1; host: a.example; x-b: 1; x-forwarded-proto: http"],
      "200 - via_upstream",
    ],
  }),
  scene({
    name: "underscores over HTTP/2: refused",
    config: toHttp1(
      {},
      { common_http_protocol_options: { headers_with_underscores_action: "REJECT_REQUEST" } },
    ),
    upstream: ok,
    act: async (t) => {
      const { sections } = await askFrames(t, request("GET", "/", ["x_a", "1"]));
      return [...sections, await t.logLine()];
    },
    sees: ["0 DR http2.unexpected_underscore"],
  }),
]);
