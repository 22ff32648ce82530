/** gRPC for those who cannot speak it: browsers (grpc_web) and HTTP/1.1 clients (grpc_http1_bridge). */
import {
  answerFrames,
  frameUpstream,
  type MessageOptions,
} from "../../testkit/http2/frame-peer.ts";
import { rstStream } from "../../testkit/http2/frames.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { parityArea } from "./harness/area.ts";
import { direct, extension, http, type JsonObject, route } from "./harness/config.ts";
import { grpcRequest, message } from "./harness/grpc.ts";
import { lines } from "./harness/http1.ts";
import {
  askFrames,
  forwardedFrames,
  http2,
  http2Cluster,
  messageText,
  request,
  streamText,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";

const call = grpcRequest();
const okHead: readonly Field[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
const trailers = (status: string, ...more: readonly Field[]): MessageOptions => ({
  body: message("yo"),
  trailers: [["grpc-status", status], ...more],
});
const web = extension(
  "envoy.filters.http.grpc_web",
  "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
);
const bridge = (config: JsonObject = {}): JsonObject =>
  extension(
    "envoy.filters.http.grpc_http1_bridge",
    "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config",
    config,
  );
const webbed = () => http({ filters: [web], clusters: [http2Cluster()] });
const bridged = (config: JsonObject = {}) =>
  http({ filters: [bridge(config)], clusters: [http2Cluster()] });
/** A POST with a body over HTTP/1. */
const post = (path: string, body: string, ...fields: readonly string[]): string =>
  `${lines(`POST ${path} HTTP/1.1`, "host: a", ...fields, `content-length: ${body.length}`)}${body}`;
const latin1 = (bytes: Buffer): string => bytes.toString("latin1");
const base64 = (bytes: Buffer): string => bytes.toString("base64");

parityArea("grpc-bridges", [
  scene({
    name: "grpc_web: binary",
    config: webbed(),
    upstream: answerFrames(okHead, trailers("0", ["x-more", "1"])),
    act: async (t) => {
      const got = await t.send(
        post(
          "/heddle.Test/Call",
          latin1(message("hi")),
          "content-type: application/grpc-web+proto",
          "x-grpc-web: 1",
        ),
      );
      return [messageText(got), await forwardedFrames(t), await t.logLine()];
    },
    sees: [
      [
        "HTTP/1.1 200 OK; content-type: application/grpc-web+proto; transfer-encoding: chunked",
        "\u0000\u0000\u0000\u0000\u0002yo\u0000\u0000\u0000\u0019grpc-status:0\r\nx-more:1\r\n",
      ],
      [
        ":authority: a; :method: POST; :path: /heddle.Test/Call; :scheme: http; content-type: application/grpc; grpc-accept-encoding: identity; te: trailers; x-forwarded-proto: http; x-grpc-web: 1",
        "\u0000\u0000\u0000\u0000\u0002hi",
        "end",
      ],
      "200 - via_upstream",
    ],
  }),
  scene({
    name: "grpc_web: the type without +proto",
    config: webbed(),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      const got = await t.send(
        post(
          "/heddle.Test/Call",
          latin1(message("hi")),
          "content-type: application/grpc-web",
          "accept: application/grpc-web",
        ),
      );
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      [
        "HTTP/1.1 200 OK; content-type: application/grpc-web+proto; transfer-encoding: chunked",
        "\u0000\u0000\u0000\u0000\u0002yo\u0000\u0000\u0000\u000fgrpc-status:0\r\n",
      ],
      [
        ":authority: a; :method: POST; :path: /heddle.Test/Call; :scheme: http; accept: application/grpc-web; content-type: application/grpc; grpc-accept-encoding: identity; te: trailers; x-forwarded-proto: http",
        "\u0000\u0000\u0000\u0000\u0002hi",
        "end",
      ],
    ],
  }),
  scene({
    name: "grpc_web: text",
    config: webbed(),
    upstream: answerFrames(okHead, {
      body: Buffer.concat([message("one"), message("three")]),
      trailers: [["grpc-status", "0"]],
    }),
    act: async (t) => {
      const got = await t.send(
        post(
          "/heddle.Test/Call",
          base64(message("hi")),
          "content-type: application/grpc-web-text+proto",
          "accept: application/grpc-web-text+proto",
        ),
      );
      const { body } = got;
      return [
        messageText(got)[0] ?? "",
        Buffer.from(body, "base64").length > 0 ? body : "",
        await forwardedFrames(t),
      ];
    },
    sees: [
      "HTTP/1.1 200 OK; content-type: application/grpc-web-text+proto; transfer-encoding: chunked",
      "AAAAAANvbmU=AAAAAAV0aHJlZQ==gAAAAA9ncnBjLXN0YXR1czowDQo=",
      [
        ":authority: a; :method: POST; :path: /heddle.Test/Call; :scheme: http; accept: application/grpc-web-text+proto; content-type: application/grpc; grpc-accept-encoding: identity; te: trailers; x-forwarded-proto: http",
        "\u0000\u0000\u0000\u0000\u0002hi",
        "end",
      ],
    ],
  }),
  scene({
    name: "grpc_web: text answered in binary when that is what is accepted",
    config: webbed(),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      const got = await t.send(
        post(
          "/heddle.Test/Call",
          base64(message("hi")),
          "content-type: application/grpc-web-text",
          "accept: application/grpc-web",
        ),
      );
      return [messageText(got)];
    },
    sees: [
      [
        "HTTP/1.1 200 OK; content-type: application/grpc-web+proto; transfer-encoding: chunked",
        "\u0000\u0000\u0000\u0000\u0002yo\u0000\u0000\u0000\u000fgrpc-status:0\r\n",
      ],
    ],
  }),
  scene({
    name: "grpc_web: bad base64",
    config: webbed(),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      const first = await t.send(post("/a/b", "####", "content-type: application/grpc-web-text"));
      const second = await t.send(post("/a/b", "AAAAA", "content-type: application/grpc-web-text"));
      return [messageText(first), messageText(second), ...(await t.log(2))];
    },
    sees: [
      [
        "HTTP/1.1 400 Bad Request; connection: close; content-length: 0; content-type: application/grpc-web+proto; grpc-message: Bad gRPC-web request, invalid base64 data.; grpc-status: 13",
      ],
      [
        "HTTP/1.1 400 Bad Request; connection: close; content-length: 0; content-type: application/grpc-web+proto; grpc-message: Bad gRPC-web request, invalid base64 data.; grpc-status: 13",
      ],
      "400 - grpc_base_64_decode_failed",
      "400 - grpc_base_64_decode_failed_bad_size",
    ],
  }),
  scene({
    name: "grpc_web: an answer that is trailers only",
    config: webbed(),
    upstream: answerFrames([...okHead, ["grpc-status", "5"], ["grpc-message", "gone"]]),
    act: async (t) => [
      messageText(
        await t.send(post("/a/b", latin1(message("hi")), "content-type: application/grpc-web")),
      ),
      await t.logLine(),
    ],
    sees: [
      [
        "HTTP/1.1 200 OK; content-length: 0; content-type: application/grpc-web+proto; grpc-message: gone; grpc-status: 5",
      ],
      "200 - via_upstream",
    ],
  }),
  scene({
    name: "grpc_web: an answer that is not gRPC",
    config: webbed(),
    upstream: answerFrames(
      [
        [":status", "503"],
        ["content-type", "text/plain"],
        ["content-length", "4"],
      ],
      { body: "down" },
    ),
    act: async (t) => [
      messageText(
        await t.send(post("/a/b", latin1(message("hi")), "content-type: application/grpc-web")),
      ),
      await t.logLine(),
    ],
    sees: [
      [
        "HTTP/1.1 503 Service Unavailable; content-length: 0; content-type: application/grpc-web+proto; grpc-message: down; grpc-status: 14",
      ],
      "503 - via_upstream",
    ],
  }),
  scene({
    name: "grpc_web: an answer of the proxy's own",
    config: http({ filters: [web], routes: [route({ prefix: "/" }, direct("no", 403))] }),
    act: async (t) => [
      messageText(await t.send(post("/a/b", "", "content-type: application/grpc-web"))),
      messageText(
        await t.send(
          post(
            "/a/b",
            "",
            "content-type: application/grpc-web-text",
            "accept: application/grpc-web-text",
          ),
        ),
      ),
      await t.logLine(),
    ],
    sees: [
      [
        "HTTP/1.1 403 Forbidden; content-length: 0; content-type: application/grpc-web+proto; grpc-message: no; grpc-status: 7",
      ],
      [
        "HTTP/1.1 403 Forbidden; content-length: 0; content-type: application/grpc-web-text+proto; grpc-message: no; grpc-status: 7",
      ],
      "403 - direct_response",
    ],
  }),
  scene({
    name: "grpc_web: other requests pass",
    config: webbed(),
    upstream: answerFrames(
      [
        [":status", "200"],
        ["content-type", "text/plain"],
      ],
      { body: "ok" },
    ),
    act: async (t) => {
      const got = await t.send(post("/a", "x", "content-type: application/json"));
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.1 200 OK; content-type: text/plain; transfer-encoding: chunked", "ok"],
      [
        ":authority: a; :method: POST; :path: /a; :scheme: http; content-length: 1; content-type: application/json; x-forwarded-proto: http",
        "x",
        "end",
      ],
    ],
  }),
  scene({
    name: "grpc_web over HTTP/2",
    config: http2({}, { filters: [web], clusters: [http2Cluster()] }),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      const got = await askFrames(
        t,
        request("POST", "/a/b", ["content-type", "application/grpc-web"]),
        { body: message("hi") },
      );
      return [streamText(got), await forwardedFrames(t)];
    },
    sees: [
      [
        ":status: 200; content-type: application/grpc-web+proto",
        "\u0000\u0000\u0000\u0000\u0002yo\u0000\u0000\u0000\u000fgrpc-status:0\r\n",
        "end",
      ],
      [
        ":authority: a.example; :method: POST; :path: /a/b; :scheme: http; content-type: application/grpc; grpc-accept-encoding: identity; te: trailers; x-forwarded-proto: http",
        "\u0000\u0000\u0000\u0000\u0002hi",
        "end",
      ],
    ],
  }),
  scene({
    name: "grpc_http1_bridge: a call's status becomes the response",
    config: bridged(),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) =>
        peer.message(
          id,
          okHead,
          id === 1 ? trailers("0") : trailers("5", ["grpc-message", "gone"]),
        ),
    }),
    act: async (t) => {
      const first = await t.send(
        post("/a/b", latin1(message("hi")), "content-type: application/grpc"),
      );
      const second = await t.send(
        post("/a/b", latin1(message("hi")), "content-type: application/grpc"),
      );
      return [
        messageText(first),
        messageText(second),
        await forwardedFrames(t),
        ...(await t.log(2)),
      ];
    },
    sees: [
      [
        "HTTP/1.1 200 OK; content-length: 7; content-type: application/grpc; grpc-status: 0",
        "\u0000\u0000\u0000\u0000\u0002yo",
      ],
      [
        "HTTP/1.1 503 Service Unavailable; content-length: 7; content-type: application/grpc; grpc-message: gone; grpc-status: 5",
        "\u0000\u0000\u0000\u0000\u0002yo",
      ],
      [
        ":authority: a; :method: POST; :path: /a/b; :scheme: http; content-length: 7; content-type: application/grpc; x-forwarded-proto: http",
        "\u0000\u0000\u0000\u0000\u0002hi",
        "end",
      ],
      "200 - via_upstream",
      "503 - via_upstream",
    ],
  }),
  scene({
    name: "grpc_http1_bridge: an answer that is trailers only, and one that is not gRPC",
    config: bridged(),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        if (id === 1) peer.message(id, [...okHead, ["grpc-status", "5"], ["grpc-message", "gone"]]);
        else
          peer.message(
            id,
            [
              [":status", "404"],
              ["content-type", "text/plain"],
            ],
            { body: "none" },
          );
      },
    }),
    act: async (t) => {
      const first = await t.send(
        post("/a/b", latin1(message("hi")), "content-type: application/grpc"),
      );
      const second = await t.send(
        post("/a/b", latin1(message("hi")), "content-type: application/grpc"),
      );
      return [messageText(first), messageText(second), ...(await t.log(2))];
    },
    sees: [
      [
        "HTTP/1.1 200 OK; content-length: 0; content-type: application/grpc; grpc-message: gone; grpc-status: 5",
      ],
      ["HTTP/1.1 404 Not Found; content-type: text/plain; transfer-encoding: chunked", "none"],
      "200 - via_upstream",
      "404 - via_upstream",
    ],
  }),
  scene({
    name: "grpc_http1_bridge: no answer",
    config: bridged(),
    upstream: frameUpstream({ onEnd: ({ id }, peer) => peer.send(rstStream(id, 2)) }),
    act: async (t) => [
      messageText(
        await t.send(post("/a/b", latin1(message("hi")), "content-type: application/grpc")),
      ),
      await t.logLine(),
    ],
    sees: [
      [
        "HTTP/1.1 200 OK; content-length: 0; content-type: application/grpc; grpc-message: upstream connect error or disconnect/reset before headers. reset reason: remote reset; grpc-status: 14",
      ],
      "200 UR upstream_reset_before_response_started{remote_reset}",
    ],
  }),
  scene({
    name: "grpc_http1_bridge: HTTP/2 clients and other requests pass",
    config: http({ filters: [bridge()], clusters: [http2Cluster()] }),
    upstream: answerFrames(okHead, trailers("5")),
    act: async (t) => [
      streamText(await askFrames(t, call, { body: message("hi") })),
      messageText(await t.send(post("/a", "x", "content-type: application/json"))),
    ],
    sees: [
      [
        ":status: 200; content-type: application/grpc",
        "\u0000\u0000\u0000\u0000\u0002yo",
        "grpc-status: 5",
        "end",
      ],
      [
        "HTTP/1.1 200 OK; content-type: application/grpc; transfer-encoding: chunked",
        "\u0000\u0000\u0000\u0000\u0002yo",
      ],
    ],
  }),
  scene({
    name: "grpc_http1_bridge: bare protobuf becomes a message, and the answer bare protobuf",
    config: bridged({ upgrade_protobuf_to_grpc: true }),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      const got = await t.send(post("/a/b?q=1", "hi", "content-type: application/x-protobuf"));
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.1 200 OK; content-length: 2; content-type: application/grpc; grpc-status: 0", "yo"],
      [
        ":authority: a; :method: POST; :path: /a/b?q=1; :scheme: http; content-type: application/grpc; x-forwarded-proto: http",
        "\u0000\u0000\u0000\u0000\u0002hi",
        "end",
      ],
    ],
  }),
  scene({
    name: "grpc_http1_bridge: bare protobuf, an error, and the query dropped",
    config: bridged({ upgrade_protobuf_to_grpc: true, ignore_query_parameters: true }),
    upstream: answerFrames([...okHead, ["grpc-status", "3"], ["grpc-message", "bad"]]),
    act: async (t) => {
      const got = await t.send(post("/a/b?q=1", "hi", "content-type: application/x-protobuf"));
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      [
        "HTTP/1.1 200 OK; content-length: 0; content-type: application/grpc; grpc-message: bad; grpc-status: 3",
      ],
      [
        ":authority: a; :method: POST; :path: /a/b; :scheme: http; content-type: application/grpc; x-forwarded-proto: http",
        "\u0000\u0000\u0000\u0000\u0002hi",
        "end",
      ],
    ],
  }),
]);
