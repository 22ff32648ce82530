/** HTTP/1 clients and an HTTP/2 upstream: fields, framing, trailers. */
import { answerFrames, frameUpstream } from "../../testkit/http2/frame-peer.ts";
import { parityArea } from "./harness/area.ts";
import { http, type JsonObject } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { chunked, lines } from "./harness/http1.ts";
import {
  forwardedFrames,
  http2Cluster,
  messageText,
  okFrames,
  streamText,
  upstreamFrames,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";

const toHttp2 = (manager: JsonObject = {}) => http({ manager, clusters: [http2Cluster()] });

parityArea("http2-translation", [
  scene({
    name: "h1 to h2: host, te and connection-specific fields",
    config: toHttp2(),
    upstream: okFrames,
    act: async (t) => {
      const got = await t.get(
        "/a?b=c",
        "x-one: 1",
        "te: gzip, trailers",
        "connection: keep-alive, x-gone",
        "x-gone: 1",
        "keep-alive: timeout=5",
        "proxy-connection: keep-alive",
        "cookie: a=1; b=2",
        "cookie: c=3",
      );
      return [messageText(got), await forwardedFrames(t), await t.logLine()];
    },
    sees: [
      ["HTTP/1.1 200 OK; transfer-encoding: chunked", "ok"],
      [
        ":authority: host.test; :method: GET; :path: /a?b=c; :scheme: http; cookie: a=1; b=2; cookie: c=3; te: trailers; x-forwarded-proto: http; x-one: 1",
        "end",
      ],
      "200 - via_upstream",
    ],
  }),
  scene({
    name: "h1 to h2: a chunked body has no length, the response becomes chunked",
    config: toHttp2(),
    upstream: okFrames,
    act: async (t) => {
      const got = await t.send(
        `${lines("POST / HTTP/1.1", "host: a", "transfer-encoding: chunked")}${chunked("hello", "you")}`,
      );
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.1 200 OK; transfer-encoding: chunked", "ok"],
      [
        ":authority: a; :method: POST; :path: /; :scheme: http; x-forwarded-proto: http",
        "helloyou",
        "end",
      ],
    ],
  }),
  scene({
    name: "h1 to h2: content-length both ways",
    config: toHttp2(),
    upstream: answerFrames(
      [
        [":status", "200"],
        ["content-length", "2"],
      ],
      { body: "ok" },
    ),
    act: async (t) => {
      const got = await t.send(`${lines("POST / HTTP/1.1", "host: a", "content-length: 5")}hello`);
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.1 200 OK; content-length: 2", "ok"],
      [
        ":authority: a; :method: POST; :path: /; :scheme: http; content-length: 5; x-forwarded-proto: http",
        "hello",
        "end",
      ],
    ],
  }),
  scene({
    name: "h1 to h2: requests and responses without a body",
    config: toHttp2(),
    upstream: frameUpstream({
      onEnd: ({ id, sections }, peer) => {
        const path = /:path: \/(\d+)/.exec(sections[0]?.join(" ") ?? "")?.[1] ?? "200";
        peer.message(id, [[":status", path]]);
      },
    }),
    act: async (t) => {
      const client = await t.connect();
      const all: (readonly string[])[] = [];
      for (const path of ["/200", "/204", "/304"])
        all.push(messageText(await client.exchange(get(path))));
      await client.write("HEAD /200 HTTP/1.1\r\nhost: a\r\n\r\n");
      all.push(messageText(await client.response({ method: "HEAD" })));
      all.push(messageText(await client.exchange("POST /201 HTTP/1.1\r\nhost: a\r\n\r\n")));
      all.push(streamText(await (await upstreamFrames(t)).whole(9)));
      return all;
    },
    sees: [
      ["HTTP/1.1 200 OK; content-length: 0"],
      ["HTTP/1.1 204 No Content"],
      ["HTTP/1.1 304 Not Modified"],
      ["HTTP/1.1 200 OK; transfer-encoding: chunked"],
      ["HTTP/1.1 201 Created; content-length: 0"],
      [":authority: a; :method: POST; :path: /201; :scheme: http; x-forwarded-proto: http", "end"],
    ],
  }),
  scene({
    name: "h1 to h2: trailers pass where HTTP/1 has them enabled",
    config: toHttp2({ http_protocol_options: { enable_trailers: true } }),
    upstream: answerFrames([[":status", "200"]], { body: "ok", trailers: [["x-last", "1"]] }),
    act: async (t) => {
      const got = await t.send(
        lines(
          "POST / HTTP/1.1",
          "host: a",
          "transfer-encoding: chunked",
          "",
          "5",
          "hello",
          "0",
          "x-end: 2",
        ),
      );
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.1 200 OK; transfer-encoding: chunked", "ok", "x-last: 1"],
      [
        ":authority: a; :method: POST; :path: /; :scheme: http; x-forwarded-proto: http",
        "hello",
        "x-end: 2",
        "end",
      ],
    ],
  }),
  scene({
    name: "h1 to h2: trailers are dropped where it has not",
    config: toHttp2(),
    upstream: answerFrames([[":status", "200"]], { body: "ok", trailers: [["x-last", "1"]] }),
    act: async (t) => {
      const got = await t.send(
        lines(
          "POST / HTTP/1.1",
          "host: a",
          "transfer-encoding: chunked",
          "",
          "5",
          "hello",
          "0",
          "x-end: 2",
        ),
      );
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.1 200 OK; transfer-encoding: chunked", "ok"],
      [
        ":authority: a; :method: POST; :path: /; :scheme: http; x-forwarded-proto: http",
        "hello",
        "end",
      ],
    ],
  }),
  scene({
    name: "h1 to h2: an answer to HEAD keeps its length",
    config: toHttp2(),
    upstream: answerFrames([
      [":status", "200"],
      ["content-length", "12"],
    ]),
    act: async (t) => {
      const client = await t.connect();
      await client.write("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
      return [messageText(await client.response({ method: "HEAD" })), await t.logLine()];
    },
    sees: [["HTTP/1.1 200 OK; content-length: 12"], "200 - via_upstream"],
  }),
  scene({
    name: "h1 to h2: HTTP/1.0",
    config: toHttp2({ http_protocol_options: { accept_http_10: true } }),
    upstream: okFrames,
    act: async (t) => {
      const got = await t.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.0 200 OK; connection: close", "ok"],
      [":authority: a; :method: GET; :path: /; :scheme: http; x-forwarded-proto: http", "end"],
    ],
  }),
  scene({
    name: "h1 to h2: informational answers are dropped",
    config: toHttp2(),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        peer.message(id, [[":status", "100"]], { end: false });
        peer.message(
          id,
          [
            [":status", "103"],
            ["link", "</a>"],
          ],
          { end: false },
        );
        peer.message(id, [[":status", "200"]]);
      },
    }),
    act: async (t) => {
      const got = await t.get("/");
      return [got.interim.map(({ startLine }) => startLine), messageText(got)];
    },
    sees: [[], ["HTTP/1.1 200 OK; content-length: 0"]],
  }),
  scene({
    name: "h1 to h2: proxy_100_continue",
    config: toHttp2({ proxy_100_continue: true }),
    upstream: frameUpstream({
      onHead: ({ id }, peer) => peer.message(id, [[":status", "100"]], { end: false }),
      onEnd: ({ id }, peer) => peer.message(id, [[":status", "200"]]),
    }),
    act: async (t) => {
      const client = await t.connect();
      await client.write(
        lines("POST / HTTP/1.1", "host: a", "expect: 100-continue", "content-length: 2"),
      );
      await client.readThrough("HTTP/1.1 100 Continue\r\n\r\n");
      await client.write("ok");
      const got = await client.response();
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.1 200 OK; content-length: 0"],
      [
        ":authority: a; :method: POST; :path: /; :scheme: http; content-length: 2; expect: 100-continue; x-forwarded-proto: http",
        "ok",
        "end",
      ],
    ],
  }),
  scene({
    name: "h1 to h2: Expect is answered here",
    config: toHttp2(),
    upstream: okFrames,
    act: async (t) => {
      const client = await t.connect();
      await client.write(
        lines("POST / HTTP/1.1", "host: a", "expect: 100-continue", "content-length: 2"),
      );
      await client.readThrough("HTTP/1.1 100 Continue\r\n\r\n");
      const got = await client.exchange("ok");
      return [messageText(got), await forwardedFrames(t)];
    },
    sees: [
      ["HTTP/1.1 200 OK; transfer-encoding: chunked", "ok"],
      [
        ":authority: a; :method: POST; :path: /; :scheme: http; content-length: 2; x-forwarded-proto: http",
        "ok",
        "end",
      ],
    ],
  }),
]);
