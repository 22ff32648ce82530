import { answer, response } from "../../testkit/fake-upstream.ts";
import { exchange, http2Server, reply } from "../../testkit/http2/node-peer.ts";
import { parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  direct,
  extension,
  type HttpOptions,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { chunked, closesSoon, lines } from "./harness/http1.ts";
import {
  askFrames,
  connectFrames,
  connectNode,
  forwardedFrames,
  forwardedText,
  http2,
  http2Cluster,
  okFrames,
  request,
  streamText,
  upstreamOptions,
} from "./harness/http2.ts";
import { type Scene, scene } from "./harness/scene.ts";

const filterName = "envoy.filters.http.buffer";
const packageName = "envoy.extensions.filters.http.buffer.v3";
const buffer = (bytes: number): JsonObject =>
  extension(filterName, `${packageName}.Buffer`, { max_request_bytes: bytes });
const perRoute = (config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [filterName]: { "@type": `type.googleapis.com/${packageName}.BufferPerRoute`, ...config },
  },
});
const upTo = (bytes: number): JsonObject => perRoute({ buffer: { max_request_bytes: bytes } });

const ok = answer(response(200, "ok"));
const post = (path: string, ...fields: readonly string[]): string =>
  lines(`POST ${path} HTTP/1.1`, "host: a.example", ...fields);
const chunkedPost = (...pieces: readonly string[]): string =>
  `${post("/", "transfer-encoding: chunked")}${chunked(...pieces)}`;
const sized = (path: string, size: number): string =>
  `${post(path, `content-length: ${size}`)}${"x".repeat(size)}`;

const buffered = (bytes: number, options: HttpOptions = {}): CaseConfig =>
  http({ manager: closesSoon, filters: [buffer(bytes)], ...options });

/** Status and body of the answer to each, on a connection of its own. */
async function each(t: CaseContext, ...requests: readonly string[]): Promise<readonly string[]> {
  const seen: string[] = [];
  for (const text of requests) {
    const got = await t.send(text);
    seen.push(`${got.status} ${got.body}`);
  }
  return seen;
}

/** Without the end: whether RST_STREAM is seen too depends on how the bytes arrive. */
const answered = (stream: Parameters<typeof streamText>[0]): readonly string[] =>
  streamText(stream).slice(0, -1);

const http1Upstream = cluster(
  "main",
  upstreamOptions({ explicit_http_config: { http_protocol_options: { enable_trailers: true } } }),
);
const trailers: JsonObject = { http_protocol_options: { enable_trailers: true } };

const scenes: readonly Scene[] = [
  {
    name: "a chunked body gets a length",
    config: buffered(100),
    upstream: ok,
    act: async (t) => [...(await each(t, chunkedPost("one", "two", "three"))), forwardedText(t)],
    sees: [
      "200 ok",
      [
        "POST / HTTP/1.1; content-length: 11; host: a.example; x-forwarded-proto: http",
        "onetwothree",
      ],
    ],
  },
  {
    name: "an empty chunked body gets a length",
    config: buffered(100),
    upstream: ok,
    act: async (t) => [...(await each(t, chunkedPost())), forwardedText(t)],
    sees: [
      "200 ok",
      ["POST / HTTP/1.1; content-length: 0; host: a.example; x-forwarded-proto: http"],
    ],
  },
  {
    name: "a length that is there stays",
    config: buffered(100),
    upstream: ok,
    act: async (t) => [...(await each(t, sized("/", 7))), forwardedText(t)],
    sees: [
      "200 ok",
      ["POST / HTTP/1.1; content-length: 7; host: a.example; x-forwarded-proto: http", "xxxxxxx"],
    ],
  },
  {
    name: "a request without body is none of its business",
    config: buffered(100),
    upstream: ok,
    act: async (t) => [(await t.get("/")).body, forwardedText(t)],
    sees: ["ok", ["GET / HTTP/1.1; host: host.test; x-forwarded-proto: http"]],
  },
  {
    name: "trailers stay behind the body",
    config: buffered(100, { manager: trailers, clusters: [http1Upstream] }),
    upstream: ok,
    act: async (t) => [
      (
        await t.send(
          `${post("/", "transfer-encoding: chunked", "trailer: x-t")}3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n`,
        )
      ).body,
      forwardedText(t),
    ],
    sees: [
      "ok",
      [
        "POST / HTTP/1.1; content-length: 3; host: a.example; trailer: x-t; x-forwarded-proto: http",
        "abc",
      ],
    ],
  },
  {
    name: "the upstream hears of a request when it is whole",
    config: buffered(100),
    upstream: ok,
    act: async (t) => {
      const client = await t.connect();
      await client.write(post("/", "transfer-encoding: chunked"), "3\r\nabc\r\n");
      await t.stats({ "http.{case}.downstream_rq_total": 1 });
      const before = await t.stat("cluster.{case}-main.upstream_rq_total");
      await client.write("2\r\nde\r\n0\r\n\r\n");
      const got = await client.response();
      return [String(before), got.body, forwardedText(t)];
    },
    sees: [
      "0",
      "ok",
      ["POST / HTTP/1.1; content-length: 5; host: a.example; x-forwarded-proto: http", "abcde"],
    ],
  },
  {
    name: "a client that goes away half-way has sent nothing",
    config: buffered(100),
    upstream: ok,
    act: async (t) => {
      const client = await t.connect();
      await client.write(post("/", "content-length: 9"), "abc");
      await t.stats({ "http.{case}.downstream_rq_total": 1 });
      client.reset();
      return [
        await t.logLine(),
        String(await t.stat("cluster.{case}-main.upstream_rq_total")),
        t.upstream().received,
      ];
    },
    sees: ["0 DC downstream_remote_disconnect", "0", ""],
  },
  {
    name: "more than the limit is refused",
    config: buffered(10),
    upstream: ok,
    act: async (t) => {
      const client = await t.connect();
      await client.write(post("/", "content-length: 99"), "x".repeat(11));
      const got = await client.response();
      const seen = [
        `${got.status} ${got.body}`,
        String(got.header("connection")),
        await client.ended(),
        await t.logLine(),
        t.upstream().received,
      ];
      await t.stats({ "http.{case}.downstream_rq_too_large": 1 });
      return seen;
    },
    sees: ["413 Payload Too Large", "close", "half-closed", "413 - request_payload_too_large", ""],
  },
  {
    name: "the limit itself is no more than the limit",
    config: buffered(10),
    upstream: ok,
    act: (t) =>
      each(
        t,
        sized("/", 10),
        sized("/", 11),
        chunkedPost("12345", "67890"),
        chunkedPost("12345", "678901"),
        chunkedPost("12345678901"),
      ),
    sees: [
      "200 ok",
      "413 Payload Too Large",
      "200 ok",
      "413 Payload Too Large",
      "413 Payload Too Large",
    ],
  },
  {
    name: "the filter's limit may be larger than the connection's",
    config: buffered(5000, { listener: { per_connection_buffer_limit_bytes: 1000 } }),
    upstream: ok,
    act: async (t) => [...(await each(t, sized("/", 4000), sized("/", 6000)))],
    sees: ["200 ok", "413 Payload Too Large"],
  },
  {
    name: "the filter's limit stands over that of the route",
    config: buffered(10, {
      routes: [route({ prefix: "/" }, { ...toCluster(), request_body_buffer_limit: 20 })],
    }),
    upstream: ok,
    act: (t) => each(t, sized("/", 10), sized("/", 15)),
    sees: ["200 ok", "413 Payload Too Large"],
  },
  {
    name: "routes have limits of their own, or none",
    config: buffered(10, {
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route({ prefix: "/less" }, { ...toCluster(), ...upTo(5) }),
            route({ prefix: "/more" }, { ...toCluster(), ...upTo(50) }),
            route({ prefix: "/off" }, { ...toCluster(), ...perRoute({ disabled: true }) }),
            route(
              { prefix: "/weighted" },
              {
                route: {
                  weighted_clusters: {
                    clusters: [{ name: "{case}-main", weight: 1, ...upTo(70) }],
                  },
                },
              },
            ),
            route(),
          ],
          upTo(20),
        ),
      ],
    }),
    upstream: ok,
    act: async (t) => {
      const seen: string[] = [];
      for (const path of ["/less", "/more", "/off", "/weighted", "/"])
        seen.push(
          `${path}: ${(await each(t, ...[5, 20, 50, 70, 90].map((size) => sized(path, size)))).join()}`,
        );
      return seen;
    },
    sees: [
      "/less: 200 ok,413 Payload Too Large,413 Payload Too Large,413 Payload Too Large,413 Payload Too Large",
      "/more: 200 ok,200 ok,200 ok,413 Payload Too Large,413 Payload Too Large",
      "/off: 200 ok,200 ok,200 ok,200 ok,200 ok",
      "/weighted: 200 ok,200 ok,200 ok,200 ok,413 Payload Too Large",
      "/: 200 ok,200 ok,413 Payload Too Large,413 Payload Too Large,413 Payload Too Large",
    ],
  },
  {
    name: "switched off, a chunked body stays chunked",
    config: buffered(10, {
      routes: [route({ prefix: "/" }, { ...toCluster(), ...perRoute({ disabled: true }) })],
    }),
    upstream: ok,
    act: async (t) => [...(await each(t, chunkedPost("one", "more than ten"))), forwardedText(t)],
    sees: [
      "200 ok",
      [
        "POST / HTTP/1.1; host: a.example; transfer-encoding: chunked; x-forwarded-proto: http",
        "onemore than ten",
      ],
    ],
  },
  {
    name: "a direct response waits for the body",
    config: buffered(10, { routes: [route({ prefix: "/" }, direct("hi"))] }),
    upstream: ok,
    act: (t) => each(t, sized("/", 10), chunkedPost("12345", "678901")),
    sees: ["200 hi", "413 Payload Too Large"],
  },
  {
    name: "a request that no route takes waits for its body",
    config: buffered(10, { virtualHosts: [virtualHost("none", ["nobody"], [route()])] }),
    upstream: ok,
    act: (t) => each(t, sized("/", 10), sized("/", 11)),
    sees: ["404 ", "413 Payload Too Large"],
  },
  {
    name: "expect: 100-continue is answered first",
    config: buffered(100),
    upstream: ok,
    act: async (t) => {
      const client = await t.connect();
      await client.write(post("/", "content-length: 3", "expect: 100-continue"));
      await client.until("100", (wire) =>
        wire.unread.includes("100 Continue") ? true : undefined,
      );
      await client.write("abc");
      const got = await client.response();
      return [got.body, forwardedText(t)];
    },
    sees: [
      "ok",
      ["POST / HTTP/1.1; content-length: 3; host: a.example; x-forwarded-proto: http", "abc"],
    ],
  },
  {
    name: "requests one after the other on a connection",
    config: buffered(10),
    upstream: ok,
    act: async (t) => {
      const client = await t.connect();
      const seen: string[] = [];
      for (const text of [chunkedPost("a"), chunkedPost("bc", "de"), sized("/", 3)]) {
        const got = await client.exchange(text);
        seen.push(`${got.status} ${got.body}`, ...forwardedText(t));
      }
      return seen;
    },
    sees: [
      "200 ok",
      "POST / HTTP/1.1; content-length: 1; host: a.example; x-forwarded-proto: http",
      "a",
      "200 ok",
      "POST / HTTP/1.1; content-length: 4; host: a.example; x-forwarded-proto: http",
      "bcde",
      "200 ok",
      "POST / HTTP/1.1; content-length: 3; host: a.example; x-forwarded-proto: http",
      "xxx",
    ],
  },
  {
    name: "HTTP/2 to HTTP/1: a length is added",
    config: http2({}, { filters: [buffer(100)] }),
    upstream: ok,
    act: async (t) => [
      streamText(await askFrames(t, request("POST", "/"), { body: "abcdef" })),
      forwardedText(t),
    ],
    sees: [
      [":status: 200; content-length: 2", "ok", "end"],
      ["POST / HTTP/1.1; content-length: 6; host: a.example; x-forwarded-proto: http", "abcdef"],
    ],
  },
  {
    name: "HTTP/2 to HTTP/2: a length is added, trailers stay",
    config: http2({}, { filters: [buffer(100)], clusters: [http2Cluster()] }),
    upstream: okFrames,
    act: async (t) => [
      streamText(
        await askFrames(t, request("POST", "/"), { body: "abcdef", trailers: [["x-t", "1"]] }),
      ),
      await forwardedFrames(t),
    ],
    sees: [
      [":status: 200", "ok", "end"],
      [
        ":authority: a.example; :method: POST; :path: /; :scheme: http; content-length: 6; x-forwarded-proto: http",
        "abcdef",
        "x-t: 1",
        "end",
      ],
    ],
  },
  {
    name: "HTTP/2: more than the limit is refused, the connection lives",
    config: http2({}, { filters: [buffer(10)] }),
    upstream: ok,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/"), { body: "x".repeat(11), end: false });
      const first = answered(await client.whole(1));
      client.message(3, request("POST", "/"), { body: "x".repeat(10) });
      return [first, streamText(await client.whole(3)), await t.logLine()];
    },
    sees: [
      [":status: 413; content-length: 17; content-type: text/plain", "Payload Too Large"],
      [":status: 200; content-length: 2", "ok", "end"],
      "413 - request_payload_too_large",
    ],
  },
  {
    name: "HTTP/2: a body in one frame that ends the request",
    config: http2({}, { filters: [buffer(10)] }),
    upstream: ok,
    act: async (t) => [
      streamText(await askFrames(t, request("POST", "/"), { body: "x".repeat(11) })),
    ],
    sees: [[":status: 200; content-length: 2", "ok", "end"]],
    heddle: {
      difference: "The buffer filter weighs the last frame too",
      sees: [
        [":status: 413; content-length: 17; content-type: text/plain", "Payload Too Large", "end"],
      ],
    },
  },
  {
    name: "HTTP/2: a body larger than the windows",
    config: http2(
      { initial_stream_window_size: 65_535, initial_connection_window_size: 65_535 },
      {
        filters: [buffer(300_000)],
        clusters: [http2Cluster()],
      },
    ),
    upstream: http2Server(({ stream, headers, body }) =>
      reply(stream, { ":status": 200 }, `${headers["content-length"]} ${body.length}`),
    ),
    act: async (t) => {
      const session = await connectNode(t);
      const got = await exchange(session, { ":method": "POST", ":path": "/" }, "x".repeat(200_000));
      return [got.body];
    },
    sees: ["200000 200000"],
  },
  {
    name: "gRPC calls are refused in their own words",
    config: http2({}, { filters: [buffer(10)] }),
    upstream: ok,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/s/m", ["content-type", "application/grpc"]), {
        body: "x".repeat(11),
        end: false,
      });
      return [answered(await client.whole(1))];
    },
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: Payload Too Large; grpc-status: 2",
      ],
    ],
  },
];

parityArea("filter-buffer", scenes.map(scene));
