/** gRPC calls: what is logged of them, and their deadlines. */
import { frameUpstream, type MessageOptions } from "../../testkit/http2/frame-peer.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { parityArea } from "./harness/area.ts";
import { route, toCluster } from "./harness/config.ts";
import { grpcRequest, message } from "./harness/grpc.ts";
import {
  askFrames,
  connectFrames,
  http2,
  http2Cluster,
  request,
  streamText,
  upstreamFrames,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";

const call = grpcRequest();
const trailers = (status: string, ...more: readonly Field[]): MessageOptions => ({
  body: message("yo"),
  trailers: [["grpc-status", status], ...more],
});
const okHead: readonly Field[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];

parityArea("grpc-calls", [
  scene({
    name: "the status is logged from trailers, and from an answer of trailers only",
    config: http2(
      {},
      {
        clusters: [http2Cluster()],
        logFormat:
          "%RESPONSE_CODE% %GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER% %TRAILER(GRPC-MESSAGE)% %RESP(GRPC-STATUS)%",
      },
    ),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        if (id === 1) peer.message(id, okHead, trailers("0"));
        else if (id === 3) peer.message(id, okHead, trailers("5", ["grpc-message", "not%20here"]));
        else if (id === 5) peer.message(id, [...okHead, ["grpc-status", "14"]]);
        else if (id === 7) peer.message(id, okHead, trailers("99"));
        else peer.message(id, okHead, { body: message("yo") });
      },
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      for (const id of [1, 3, 5, 7, 9]) {
        client.message(id, call, { body: message("hi") });
        await client.whole(id);
      }
      return [...(await t.log(5)), streamText(client.streams.get(3) as never)];
    },
    sees: [
      "200 OK OK 0 - -",
      "200 NotFound NOT_FOUND 5 not%20here -",
      "200 Unavailable UNAVAILABLE 14 - 14",
      "200 99 99 99 - -",
      "200 Unknown UNKNOWN 2 - -",
      [
        ":status: 200; content-type: application/grpc",
        "\u0000\u0000\u0000\u0000\u0002yo",
        "grpc-message: not%20here; grpc-status: 5",
        "end",
      ],
    ],
  }),
  ...(
    [
      ["only some", { statuses: ["NOT_FOUND", "UNAVAILABLE"] }, ["5 200", "14 503", "14 200"]],
      ["all but some", { statuses: ["OK"], exclude: true }, ["5 200", "14 503", "2 200", "14 200"]],
    ] as const
  ).map(([name, filter, sees]) =>
    scene({
      name: `the access log takes calls by status: ${name}`,
      config: http2(
        {},
        {
          clusters: [http2Cluster()],
          manager: {
            access_log: [
              {
                name: "file",
                filter: { grpc_status_filter: filter },
                typed_config: {
                  "@type":
                    "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                  path: "{log}",
                  log_format: {
                    text_format_source: { inline_string: "%GRPC_STATUS_NUMBER% %RESPONSE_CODE%\n" },
                  },
                },
              },
            ],
          },
        },
      ),
      upstream: frameUpstream({
        onEnd: ({ id }, peer) => {
          if (id === 1) peer.message(id, okHead, trailers("0"));
          else if (id === 3) peer.message(id, okHead, trailers("5"));
          else if (id === 5) peer.message(id, [[":status", "503"]]);
          else if (id === 7) peer.message(id, [[":status", "200"]]);
          else peer.message(id, okHead, trailers("14"));
        },
      }),
      act: async (t) => {
        const client = await connectFrames(t);
        for (const id of [1, 3, 5, 7, 9]) {
          client.message(id, call, { body: message("hi") });
          await client.whole(id);
        }
        return t.eventually(async () => {
          const lines = await t.log(3);
          if (!lines.at(-1)?.startsWith("14")) throw new Error("not the last yet");
          return lines;
        });
      },
      sees,
    }),
  ),
  ...(
    [
      ["the client's deadline is kept to", { grpc_timeout_header_max: "0s" }, "100m"],
      ["the client's deadline is capped", { grpc_timeout_header_max: "0.1s" }, "10S"],
      [
        "the client's deadline less an offset",
        { grpc_timeout_header_max: "0s", grpc_timeout_header_offset: "9.9s" },
        "10S",
      ],
      [
        "without a deadline the route's own duration counts",
        { grpc_timeout_header_max: "5s", max_stream_duration: "0.1s" },
        undefined,
      ],
    ] as const
  ).map(([name, duration, timeout]) =>
    scene({
      name,
      config: http2(
        {},
        {
          clusters: [http2Cluster()],
          routes: [
            route(
              { prefix: "/" },
              toCluster("main", { timeout: "0s", max_stream_duration: duration }),
            ),
          ],
        },
      ),
      upstream: frameUpstream(),
      act: async (t) => {
        const more: readonly Field[] = timeout === undefined ? [] : [["grpc-timeout", timeout]];
        const got = streamText(await askFrames(t, grpcRequest(...more), { body: message("hi") }));
        const upstream = await upstreamFrames(t);
        return [
          got,
          await t.logLine(),
          upstream.streams.get(1)?.sections[0]?.filter((field) => field.startsWith("grpc-")) ?? [],
        ];
      },
      sees: [
        [
          ":status: 200; content-type: application/grpc; grpc-message: downstream duration timeout; grpc-status: 4",
          "end",
        ],
        "200 - max_duration_timeout",
        ["grpc-timeout: 100m"],
      ],
    }),
  ),
  ...(
    [
      ["capped", { max_grpc_timeout: "0.1s" }, "9S"],
      ["without a cap", { max_grpc_timeout: "0s" }, "100m"],
      ["less an offset", { max_grpc_timeout: "0s", grpc_timeout_offset: "9.9s" }, "10S"],
      ["less than the offset", { max_grpc_timeout: "0s", grpc_timeout_offset: "1s" }, "100m"],
      ["not given, the cap", { max_grpc_timeout: "0.1s" }, undefined],
      ["no number, the cap", { max_grpc_timeout: "0.1s" }, "soon"],
    ] as const
  ).map(([name, action, timeout]) =>
    scene({
      name: `max_grpc_timeout makes the client's deadline the route's timeout: ${name}`,
      config: http2(
        {},
        {
          clusters: [http2Cluster()],
          routes: [route({ prefix: "/" }, toCluster("main", { timeout: "20s", ...action }))],
        },
      ),
      upstream: frameUpstream(),
      act: async (t) => {
        const more: readonly Field[] = timeout === undefined ? [] : [["grpc-timeout", timeout]];
        const got = await askFrames(t, grpcRequest(...more), { body: message("hi") });
        const upstream = await upstreamFrames(t);
        const told = upstream.streams.get(1)?.sections[0]?.filter((field) => /^grpc-/.test(field));
        return [streamText(got), await t.logLine(), told ?? []];
      },
      sees: [
        [
          ":status: 200; content-type: application/grpc; grpc-message: upstream request timeout; grpc-status: 14",
          "end",
        ],
        "200 UT response_timeout",
        ["grpc-timeout: 100m"],
      ],
    }),
  ),
  scene({
    name: "max_grpc_timeout: a request that is no call has the route's timeout",
    config: http2(
      {},
      {
        clusters: [http2Cluster()],
        routes: [
          route({ prefix: "/" }, toCluster("main", { timeout: "0.1s", max_grpc_timeout: "20s" })),
        ],
      },
    ),
    upstream: frameUpstream(),
    act: async (t) => {
      const got = await askFrames(t, request("GET", "/", ["grpc-timeout", "9S"]));
      const upstream = await upstreamFrames(t);
      const told = upstream.streams.get(1)?.sections[0]?.filter((field) => /^grpc-/.test(field));
      return [streamText(got), await t.logLine(), told ?? []];
    },
    sees: [
      [
        ":status: 504; content-length: 24; content-type: text/plain",
        "upstream request timeout",
        "end",
      ],
      "504 UT response_timeout",
      ["grpc-timeout: 9S"],
    ],
  }),
  scene({
    name: "a deadline in mid-answer",
    config: http2(
      {},
      {
        clusters: [http2Cluster()],
        routes: [
          route(
            { prefix: "/" },
            toCluster("main", {
              timeout: "0s",
              max_stream_duration: { grpc_timeout_header_max: "0s" },
            }),
          ),
        ],
      },
    ),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => peer.message(id, okHead, { body: message("yo"), end: false }),
    }),
    act: async (t) => {
      const got = streamText(
        await askFrames(t, grpcRequest(["grpc-timeout", "100m"]), { body: message("hi") }),
      );
      return [got, await t.logLine()];
    },
    sees: [
      [
        ":status: 200; content-type: application/grpc",
        "\u0000\u0000\u0000\u0000\u0002yo",
        "reset 2",
      ],
      "200 - max_duration_timeout",
    ],
  }),
]);
