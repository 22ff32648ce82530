/** HTTP/2 clients: fields, framing, trailers, to upstreams of HTTP/1 and HTTP/2. */
import { answer, response } from "../../testkit/fake-upstream.ts";
import { answerFrames, frameUpstream } from "../../testkit/http2/frame-peer.ts";
import { data } from "../../testkit/http2/frames.ts";
import { parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import { chunked, lines } from "./harness/http1.ts";
import {
  askFrames,
  connectFrames,
  forwardedFrames,
  forwardedText,
  http2,
  http2Cluster,
  request,
  streamText,
  toHttp1,
  upstreamFrames,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";

const both = (manager: JsonObject = {}) => http2({}, { manager, clusters: [http2Cluster()] });

parityArea("http2-clients", [
  scene({
    name: "h2 to h1: :authority, cookie crumbs, te",
    config: toHttp1(),
    upstream: answer(response(200, "ok", "x-up: 1", "connection: close", "keep-alive: 1")),
    act: async (t) => {
      const got = await askFrames(
        t,
        request(
          "GET",
          "/a?b=c",
          ["cookie", "a=1"],
          ["te", "trailers"],
          ["cookie", "b=2"],
          ["x-one", "1"],
        ),
      );
      return [streamText(got), forwardedText(t), await t.logLine()];
    },
    sees: [
      [":status: 200; content-length: 2; x-up: 1", "ok", "end"],
      [
        "GET /a?b=c HTTP/1.1; cookie: a=1; b=2; host: a.example; te: trailers; x-forwarded-proto: http; x-one: 1",
      ],
      "200 - via_upstream",
    ],
  }),
  scene({
    name: "h2 to h1: host beside :authority, and instead of it",
    config: toHttp1(),
    upstream: answer(response(200, "ok")),
    act: async (t) => {
      const client = await connectFrames(t);
      const all: (readonly string[])[] = [];
      client.message(1, request("GET", "/both", ["host", "b.example"]));
      all.push(streamText(await client.whole(1)), forwardedText(t));
      client.message(3, [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/host"],
        ["host", "b.example"],
      ]);
      all.push(streamText(await client.whole(3)), forwardedText(t));
      client.message(5, [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/none"],
      ]);
      all.push(streamText(await client.whole(5)));
      return [...all, (await t.log(3))[2] ?? ""];
    },
    sees: [
      [":status: 200; content-length: 2", "ok", "end"],
      ["GET /both HTTP/1.1; host: a.example; x-forwarded-proto: http"],
      [":status: 200; content-length: 2", "ok", "end"],
      ["GET /host HTTP/1.1; host: b.example; x-forwarded-proto: http"],
      ["closed"],
      "0 DPE http2.violation.of.messaging.rule",
    ],
    heddle: {
      difference: "An HTTP/2 request without authority is answered",
      sees: [
        [":status: 200; content-length: 2", "ok", "end"],
        ["GET /both HTTP/1.1; host: a.example; x-forwarded-proto: http"],
        [":status: 200; content-length: 2", "ok", "end"],
        ["GET /host HTTP/1.1; host: b.example; x-forwarded-proto: http"],
        [":status: 400", "end"],
        "400 - missing_host_header",
      ],
    },
  }),
  scene({
    name: "h2 to h1: connection-specific fields end the stream",
    config: toHttp1(),
    upstream: answer(response(200, "ok")),
    act: async (t) => {
      const all: (readonly string[] | string)[] = [];
      for (const [index, field] of (
        [
          ["connection", "keep-alive"],
          ["transfer-encoding", "chunked"],
          ["upgrade", "websocket"],
          ["keep-alive", "1"],
          ["proxy-connection", "1"],
          ["te", "gzip"],
        ] as const
      ).entries()) {
        const client = await connectFrames(t);
        client.message(1, request("GET", "/", field));
        const { end } = await client.whole(1);
        all.push(`${field[0]}: ${end}, ${(await t.log(index + 1))[index]}`);
      }
      return all;
    },
    sees: [
      "connection: closed, 0 DPE http2.invalid.header.field",
      "transfer-encoding: closed, 0 DPE http2.invalid.header.field",
      "upgrade: closed, 0 DPE http2.invalid.header.field",
      "keep-alive: closed, 0 DPE http2.invalid.header.field",
      "proxy-connection: closed, 0 DPE http2.invalid.header.field",
      "te: closed, 0 DPE http2.invalid.header.field",
    ],
  }),
  scene({
    name: "h2 to h1: a body without length becomes chunked, with length it keeps it",
    config: toHttp1(),
    upstream: answer(response(200, "ok")),
    act: async (t) => {
      await askFrames(t, request("POST", "/"), { body: "hello" });
      const first = forwardedText(t);
      await askFrames(t, request("POST", "/", ["content-length", "5"]), { body: "hello" });
      const second = forwardedText(t);
      await askFrames(t, request("POST", "/"));
      const third = forwardedText(t);
      await askFrames(t, request("GET", "/"), { body: "" });
      const fourth = forwardedText(t);
      return [first, second, third, fourth];
    },
    sees: [
      [
        "POST / HTTP/1.1; host: a.example; transfer-encoding: chunked; x-forwarded-proto: http",
        "hello",
      ],
      ["POST / HTTP/1.1; content-length: 5; host: a.example; x-forwarded-proto: http", "hello"],
      ["POST / HTTP/1.1; content-length: 0; host: a.example; x-forwarded-proto: http"],
      ["GET / HTTP/1.1; host: a.example; transfer-encoding: chunked; x-forwarded-proto: http"],
    ],
  }),
  scene({
    name: "h2 to h1: a chunked answer has no length, nor has one that ends with the connection",
    config: toHttp1(),
    upstream: async (connection, index) => {
      await connection.request();
      await connection.write(
        index === 0
          ? `${lines("HTTP/1.1 200 OK", "transfer-encoding: chunked")}${chunked("a", "b")}`
          : `${lines("HTTP/1.1 200 OK")}till the end`,
      );
      connection.end();
    },
    act: async (t) => [
      streamText(await askFrames(t, request("GET", "/"))),
      streamText(await askFrames(t, request("GET", "/"))),
    ],
    sees: [
      [":status: 200", "ab", "end"],
      [":status: 200", "till the end", "end"],
    ],
  }),
  scene({
    name: "h2 to h1: answers without a body",
    config: toHttp1(),
    upstream: async (connection) => {
      for (;;) {
        const message = await connection.request();
        if (message === undefined) break;
        const status = message.startLine.split("/")[1]?.slice(0, 3);
        await connection.write(
          lines(
            `HTTP/1.1 ${status} X`,
            ...(message.startLine.startsWith("HEAD")
              ? ["content-length: 7"]
              : status === "200"
                ? ["content-length: 0"]
                : []),
          ),
        );
      }
    },
    act: async (t) => {
      const all: (readonly string[])[] = [];
      for (const path of ["/200", "/204", "/304"])
        all.push(streamText(await askFrames(t, request("GET", path))));
      all.push(streamText(await askFrames(t, request("HEAD", "/200"))));
      return all;
    },
    sees: [
      [":status: 200; content-length: 0", "end"],
      [":status: 204", "end"],
      [":status: 304", "end"],
      [":status: 200; content-length: 7", "end"],
    ],
  }),
  scene({
    name: "h2 to h1: trailers pass where HTTP/1 has them enabled",
    config: toHttp1({ enable_trailers: true }),
    upstream: answer(
      `${lines("HTTP/1.1 200 OK", "transfer-encoding: chunked", "trailer: x-last")}${lines("2", "ok", "0", "x-last: 1")}`,
    ),
    act: async (t) => {
      const got = await askFrames(t, request("POST", "/"), {
        body: "hello",
        trailers: [["x-end", "2"]],
      });
      return [streamText(got), forwardedText(t)];
    },
    sees: [
      [":status: 200; trailer: x-last", "ok", "x-last: 1", "end"],
      [
        "POST / HTTP/1.1; host: a.example; transfer-encoding: chunked; x-forwarded-proto: http",
        "hello",
        "x-end: 2",
      ],
    ],
  }),
  scene({
    name: "h2 to h1: trailers are dropped where it has not",
    config: toHttp1(),
    upstream: answer(
      `${lines("HTTP/1.1 200 OK", "transfer-encoding: chunked")}${lines("2", "ok", "0", "x-last: 1")}`,
    ),
    act: async (t) => {
      const got = await askFrames(t, request("POST", "/"), {
        body: "hello",
        trailers: [["x-end", "2"]],
      });
      return [streamText(got), forwardedText(t)];
    },
    sees: [
      [":status: 200", "ok", "end"],
      [
        "POST / HTTP/1.1; host: a.example; transfer-encoding: chunked; x-forwarded-proto: http",
        "hello",
      ],
    ],
  }),
  scene({
    name: "h2 to h1: informational answers with proxy_100_continue",
    config: toHttp1({}, { proxy_100_continue: true }),
    upstream: async (connection) => {
      await connection.requestHead();
      await connection.write(lines("HTTP/1.1 100 Continue"));
      await connection.request();
      await connection.write(lines("HTTP/1.1 103 Early Hints", "link: </a>"), response(200, "ok"));
    },
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/", ["expect", "100-continue"]), { end: false });
      await client.head(1);
      client.send(data(1, "hello", true));
      return [streamText(await client.whole(1)), forwardedText(t)];
    },
    sees: [
      [":status: 100", ":status: 200; content-length: 2", "ok", "end"],
      [
        "POST / HTTP/1.1; expect: 100-continue; host: a.example; transfer-encoding: chunked; x-forwarded-proto: http",
        "hello",
      ],
    ],
    heddle: {
      difference: "Every informational answer is passed on",
      sees: [
        [
          ":status: 100",
          ":status: 103; link: </a>",
          ":status: 200; content-length: 2",
          "ok",
          "end",
        ],
        [
          "POST / HTTP/1.1; expect: 100-continue; host: a.example; transfer-encoding: chunked; x-forwarded-proto: http",
          "hello",
        ],
      ],
    },
  }),
  scene({
    name: "h2: Expect is answered here",
    config: toHttp1(),
    upstream: answer(response(200, "ok")),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/", ["expect", "100-continue"]), { end: false });
      await client.head(1);
      client.send(data(1, "hello", true));
      return [streamText(await client.whole(1)), forwardedText(t)];
    },
    sees: [
      [":status: 100", ":status: 200; content-length: 2", "ok", "end"],
      [
        "POST / HTTP/1.1; host: a.example; transfer-encoding: chunked; x-forwarded-proto: http",
        "hello",
      ],
    ],
  }),
  scene({
    name: "h2 to h2: fields, cookies, bodies and trailers",
    config: both(),
    upstream: answerFrames(
      [
        [":status", "200"],
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["x-up", ""],
      ],
      { body: "ok", trailers: [["x-last", "1"]] },
    ),
    act: async (t) => {
      const got = await askFrames(
        t,
        request(
          "POST",
          "/a?b",
          ["cookie", "a=1"],
          ["cookie", "b=2"],
          ["te", "trailers"],
          ["x-two", "1"],
          ["x-two", "2"],
        ),
        { body: "hello", trailers: [["x-end", "2"]] },
      );
      return [streamText(got), await forwardedFrames(t), await t.logLine()];
    },
    sees: [
      [":status: 200; set-cookie: a=1; set-cookie: b=2; x-up: ", "ok", "x-last: 1", "end"],
      [
        ":authority: a.example; :method: POST; :path: /a?b; :scheme: http; cookie: a=1; b=2; te: trailers; x-forwarded-proto: http; x-two: 1; x-two: 2",
        "hello",
        "x-end: 2",
        "end",
      ],
      "200 - via_upstream",
    ],
  }),
  scene({
    name: "h2 to h2: informational answers",
    config: both({ proxy_100_continue: true }),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        peer.message(
          id,
          [
            [":status", "103"],
            ["link", "</a>"],
          ],
          { end: false },
        );
        peer.message(
          id,
          [
            [":status", "103"],
            ["link", "</b>"],
          ],
          { end: false },
        );
        peer.message(id, [[":status", "200"]]);
      },
    }),
    act: async (t) => [streamText(await askFrames(t, request("GET", "/")))],
    sees: [[":status: 103; link: </a>", ":status: 200", "end"]],
    heddle: {
      difference: "Every informational answer is passed on",
      sees: [[":status: 103; link: </a>", ":status: 103; link: </b>", ":status: 200", "end"]],
    },
  }),
  scene({
    name: "h2 to h2: a head that ends, a body that is empty, trailers without a body",
    config: both(),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        if (id === 1) peer.message(id, [[":status", "204"]]);
        else if (id === 3) peer.message(id, [[":status", "200"]], { body: "" });
        else peer.message(id, [[":status", "200"]], { trailers: [["x-last", "1"]] });
      },
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      client.message(3, request("GET", "/"), { body: "" });
      await client.whole(3);
      client.message(5, request("GET", "/"), { trailers: [["x-end", "1"]] });
      await client.whole(5);
      const upstream = await upstreamFrames(t);
      return [1, 3, 5].flatMap((id) => [
        streamText(client.streams.get(id) as never),
        streamText(upstream.streams.get(id) as never),
      ]);
    },
    sees: [
      [":status: 204", "end"],
      [
        ":authority: a.example; :method: GET; :path: /; :scheme: http; x-forwarded-proto: http",
        "end",
      ],
      [":status: 200", "end"],
      [
        ":authority: a.example; :method: GET; :path: /; :scheme: http; x-forwarded-proto: http",
        "end",
      ],
      [":status: 200", "x-last: 1", "end"],
      [
        ":authority: a.example; :method: GET; :path: /; :scheme: http; x-forwarded-proto: http",
        "x-end: 1",
        "end",
      ],
    ],
  }),
]);
