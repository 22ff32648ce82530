/** gRPC calls: answers of the proxy's own, deadlines, matching, what is logged. */
import { frameUpstream } from "../../testkit/http2/frame-peer.ts";
import { rstStream } from "../../testkit/http2/frames.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, http, type JsonObject, route, toCluster } from "./harness/config.ts";
import { grpcRequest, message } from "./harness/grpc.ts";
import {
  askFrames,
  connectFrames,
  http2,
  http2Cluster,
  messageText,
  request,
  streamText,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";
import { nowhere } from "./harness/tcp-proxy.ts";

const call = grpcRequest();

/** What a gRPC client is told instead of an answer. */
interface Refusal {
  readonly name: string;
  readonly routes?: readonly JsonObject[];
  readonly manager?: JsonObject;
  readonly clusters?: readonly JsonObject[];
  readonly upstream?: ParityCase["upstream"];
  readonly sees: readonly (readonly string[] | string)[];
}

const limits = (threshold: JsonObject): JsonObject => ({
  circuit_breakers: { thresholds: [threshold] },
});

const refusals: readonly Refusal[] = [
  {
    name: "a body that is not ASCII",
    routes: [route({ prefix: "/" }, direct("100 % of käse\n"))],
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: 100 %25 of k%C3%A4se%0A; grpc-status: 2",
        "end",
      ],
      "200 - direct_response Unknown 2",
    ],
  },
  {
    name: "no route",
    routes: [route({ path: "/other" })],
    sees: [
      [":status: 200; content-type: application/grpc; grpc-status: 12", "end"],
      "200 NR route_not_found Unimplemented 12",
    ],
  },
  {
    name: "no cluster",
    routes: [route({ prefix: "/" }, { route: { cluster_header: "x-cluster" } })],
    sees: [
      [":status: 200; content-type: application/grpc; grpc-status: 14", "end"],
      "200 NC cluster_not_found Unavailable 14",
    ],
  },
  {
    name: "a redirect",
    routes: [route({ prefix: "/" }, { redirect: { path_redirect: "/a" } })],
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-status: 2; location: http://a.example/a",
        "end",
      ],
      "200 - direct_response Unknown 2",
    ],
  },
  {
    name: "no healthy host",
    clusters: [{ name: "{case}-main", type: "STATIC", connect_timeout: "1s" }],
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: no healthy upstream; grpc-status: 14",
        "end",
      ],
      "200 UH no_healthy_upstream Unavailable 14",
    ],
  },
  {
    name: "nobody who listens",
    clusters: [nowhere()],
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: upstream connect error or disconnect/reset before headers. reset reason: remote connection failure; grpc-status: 14",
        "end",
      ],
      "200 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused} Unavailable 14",
    ],
  },
  {
    name: "too many requests",
    clusters: [http2Cluster({}, { more: limits({ max_requests: 0 }) })],
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: upstream connect error or disconnect/reset before headers. reset reason: overflow; grpc-status: 14; x-envoy-overloaded: true",
        "end",
      ],
      "200 UO upstream_reset_before_response_started{overflow} Unavailable 14",
    ],
  },
  {
    name: "the upstream's reset",
    upstream: frameUpstream({ onEnd: ({ id }, peer) => peer.send(rstStream(id, 2)) }),
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: upstream connect error or disconnect/reset before headers. reset reason: remote reset; grpc-status: 14",
        "end",
      ],
      "200 UR upstream_reset_before_response_started{remote_reset} Unavailable 14",
    ],
  },
  {
    name: "the upstream's REFUSED_STREAM",
    upstream: frameUpstream({ onEnd: ({ id }, peer) => peer.send(rstStream(id, 7)) }),
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: upstream connect error or disconnect/reset before headers. reset reason: remote refused stream reset; grpc-status: 14",
        "end",
      ],
      "200 UR upstream_reset_before_response_started{remote_refused_stream_reset} Unavailable 14",
    ],
  },
  {
    name: "the upstream's connection that ends",
    upstream: frameUpstream({ onEnd: (_stream, peer) => peer.wire.close() }),
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: upstream connect error or disconnect/reset before headers. reset reason: connection termination; grpc-status: 14",
        "end",
      ],
      "200 UC upstream_reset_before_response_started{connection_termination} Unavailable 14",
    ],
  },
  {
    name: "a route's timeout",
    routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.1s" }))],
    upstream: frameUpstream(),
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: upstream request timeout; grpc-status: 14",
        "end",
      ],
      "200 UT response_timeout Unavailable 14",
    ],
  },
  {
    name: "a stream's idle timeout",
    routes: [route({ prefix: "/" }, toCluster("main", { idle_timeout: "0.1s" }))],
    upstream: frameUpstream(),
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: stream timeout; grpc-status: 14",
        "end",
      ],
      "200 SI stream_idle_timeout Unavailable 14",
    ],
  },
  {
    name: "the longest duration of a stream",
    manager: { common_http_protocol_options: { max_stream_duration: "0.1s" } },
    upstream: frameUpstream(),
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: downstream duration timeout; grpc-status: 4",
        "end",
      ],
      "200 - max_duration_timeout DeadlineExceeded 4",
    ],
  },
  {
    name: "a local reply that is rewritten",
    routes: [route({ prefix: "/" }, direct("text", 403))],
    manager: {
      local_reply_config: {
        mappers: [
          {
            filter: {
              status_code_filter: {
                comparison: { op: "EQ", value: { default_value: 403, runtime_key: "x" } },
              },
            },
            status_code: 429,
            body: { inline_string: "mapped" },
            headers_to_add: [{ header: { key: "x-mapped", value: "1" } }],
          },
        ],
      },
    },
    sees: [
      [
        ":status: 200; content-type: application/grpc; grpc-message: mapped; grpc-status: 14; x-mapped: 1",
        "end",
      ],
      "200 - direct_response Unavailable 14",
    ],
  },
];

const refusalCases = refusals.map(
  ({ name, routes, manager = {}, clusters, upstream, sees }): ParityCase =>
    scene({
      name: `a gRPC client is told: ${name}`,
      config: http2(
        {},
        {
          manager,
          logFormat:
            "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %GRPC_STATUS% %GRPC_STATUS_NUMBER%",
          ...(routes === undefined ? {} : { routes }),
          clusters: clusters ?? [http2Cluster()],
        },
      ),
      upstream: upstream ?? frameUpstream(),
      act: async (t) => [
        streamText(await askFrames(t, call, { body: message("hi") })),
        await t.logLine(),
      ],
      sees,
    }),
);

const statuses = [200, 400, 401, 403, 404, 405, 408, 413, 429, 499, 500, 501, 502, 503, 504];

parityArea("grpc", [
  ...refusalCases,
  scene({
    name: "an answer of the proxy's own becomes a gRPC status",
    config: http2(
      {},
      { routes: statuses.map((status) => route({ path: `/${status}` }, direct("", status))) },
    ),
    act: async (t) => {
      const client = await connectFrames(t);
      const seen: string[] = [];
      for (const [index, status] of statuses.entries()) {
        const id = 2 * index + 1;
        client.message(id, request("POST", `/${status}`, ["content-type", "application/grpc"]));
        seen.push(`${status}: ${(await client.whole(id)).sections[0]?.at(-1)}`);
      }
      return seen;
    },
    sees: [
      "200: grpc-status: 2",
      "400: grpc-status: 13",
      "401: grpc-status: 16",
      "403: grpc-status: 7",
      "404: grpc-status: 12",
      "405: grpc-status: 2",
      "408: grpc-status: 2",
      "413: grpc-status: 2",
      "429: grpc-status: 14",
      "499: grpc-status: 2",
      "500: grpc-status: 2",
      "501: grpc-status: 2",
      "502: grpc-status: 14",
      "503: grpc-status: 14",
      "504: grpc-status: 14",
    ],
  }),
  scene({
    name: "an HTTP/1 client that calls is told in HTTP/1",
    config: http({ routes: [route({ prefix: "/" }, direct("text", 403))] }),
    act: async (t) => [
      messageText(await t.get("/", "content-type: application/grpc")),
      await t.logLine(),
    ],
    sees: [
      [
        "HTTP/1.1 200 OK; content-length: 0; content-type: application/grpc; grpc-message: text; grpc-status: 7",
      ],
      "200 - direct_response",
    ],
  }),
  scene({
    name: "what counts as gRPC for answers of the proxy's own",
    config: http2({}, { routes: [route({ prefix: "/" }, direct("text", 403))] }),
    act: async (t) => {
      const seen: string[] = [];
      for (const type of [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc; charset=utf-8",
        "application/grpc-web",
        "application/grpc-web+proto",
        "APPLICATION/GRPC",
        "application/json",
      ]) {
        const { sections } = await askFrames(t, request("POST", "/", ["content-type", type]));
        seen.push(`${type} ${sections[0]?.[0]}`);
      }
      return seen;
    },
    sees: [
      "application/grpc :status: 200",
      "application/grpc+proto :status: 200",
      "application/grpc; charset=utf-8 :status: 403",
      "application/grpc-web :status: 403",
      "application/grpc-web+proto :status: 403",
      "APPLICATION/GRPC :status: 403",
      "application/json :status: 403",
    ],
  }),
  scene({
    name: "routes for gRPC",
    config: http2(
      {},
      {
        routes: [
          route({ prefix: "/", grpc: {} }, direct("grpc", 429)),
          route({ prefix: "/" }, direct("other")),
        ],
      },
    ),
    act: async (t) => {
      const seen: string[] = [];
      for (const type of [
        "application/grpc",
        "application/grpc+json",
        "application/grpc-web",
        "text/plain",
      ]) {
        const got = await askFrames(t, request("POST", "/", ["content-type", type]));
        seen.push(`${type}: ${streamText(got).join(", ")}`);
      }
      return seen;
    },
    sees: [
      "application/grpc: :status: 200; content-type: application/grpc; grpc-message: grpc; grpc-status: 14, end",
      "application/grpc+json: :status: 200; content-type: application/grpc; grpc-message: grpc; grpc-status: 14, end",
      "application/grpc-web: :status: 200; content-length: 5; content-type: text/plain, other, end",
      "text/plain: :status: 200; content-length: 5; content-type: text/plain, other, end",
    ],
  }),
]);
