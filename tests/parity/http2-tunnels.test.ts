/** WebSocket and CONNECT where one side, or both, speak HTTP/2. */
import { answer, echo, response, type Script } from "../../testkit/fake-upstream.ts";
import { type FramePeer, frameUpstream, type PeerOptions } from "../../testkit/http2/frame-peer.ts";
import { data, rstStream } from "../../testkit/http2/frames.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { parityArea } from "./harness/area.ts";
import { http, type JsonObject, route, toCluster } from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";
import {
  connectFrames,
  forwardedFrames,
  http2,
  http2Cluster,
  streamText,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";
import { nowhere } from "./harness/tcp-proxy.ts";

const websocket = { upgrade_configs: [{ upgrade_type: "websocket" }] };
const offersConnect: PeerOptions = { settings: [[8, 1]] };
const upgrade = get("/chat", "connection: Upgrade", "upgrade: websocket", "sec-websocket-key: x");
const extended = (...more: readonly Field[]): readonly Field[] => [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "http"],
  [":path", "/chat"],
  [":authority", "a.example"],
  ["sec-websocket-version", "13"],
  ...more,
];
const connect: readonly Field[] = [
  [":method", "CONNECT"],
  [":authority", "target.test:443"],
];

/** Accepts every tunnel and sends back what comes. */
const echoFrames: Script = frameUpstream(
  {
    onHead: ({ id }, peer) => peer.message(id, [[":status", "200"]], { end: false }),
    onData: ({ id }, peer, payload) => peer.send(data(id, payload)),
    onEnd: ({ id }, peer) => peer.send(data(id, "", true)),
  },
  offersConnect,
);

/** The same over HTTP/1. */
const echoSwitched: Script = async (connection) => {
  connection.consume((await connection.requestHead()).length);
  await connection.write(
    lines("HTTP/1.1 101 Switching Protocols", "connection: Upgrade", "upgrade: websocket"),
  );
  connection.socket.on("data", (text) => connection.socket.write(text, "latin1"));
  connection.socket.on("end", () => connection.end());
};

const fromHttp2 = (manager: JsonObject, ...clusters: readonly JsonObject[]) =>
  http2({ allow_connect: true }, { manager, clusters });

/** `hello` there and back through the tunnel on stream 1. */
async function talk(client: FramePeer): Promise<void> {
  client.send(data(1, "hello"));
  await client.body(1, "hello");
}

const head = (t: CaseContext): readonly string[] => {
  const text = t.upstream().received;
  return text
    .toLowerCase()
    .slice(0, text.indexOf("\r\n\r\n"))
    .split("\r\n")
    .filter((line) => !/^x-/.test(line))
    .sort();
};

const connectRoute = (action: JsonObject = {}): readonly JsonObject[] => [
  route({ connect_matcher: {} }, toCluster("main", action)),
];
const terminate = connectRoute({
  upgrade_configs: [{ upgrade_type: "CONNECT", connect_config: {} }],
});
const passOn = { upgrade_configs: [{ upgrade_type: "CONNECT" }] };

parityArea("http2-tunnels", [
  scene({
    name: "WebSocket from HTTP/1 to HTTP/2 is an extended CONNECT",
    config: http({ manager: websocket, clusters: [http2Cluster({ allow_connect: true })] }),
    upstream: echoFrames,
    act: async (t) => {
      const client = await t.connect();
      await client.write(upgrade);
      const answered = await client.readThrough("\r\n\r\n");
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      const how = await client.ended();
      return [
        answered
          .split("\r\n")
          .filter((line) => !/^(date|server|x-envoy.*):|^$/.test(line))
          .sort(),
        await forwardedFrames(t),
        how,
        await t.logLine(),
      ];
    },
    sees: [
      ["HTTP/1.1 101 Switching Protocols", "connection: upgrade", "upgrade: websocket"],
      [
        ":authority: host.test; :method: CONNECT; :path: /chat; :protocol: websocket; :scheme: http; sec-websocket-key: x; x-forwarded-proto: http",
        "hello",
        "reset 2",
      ],
      "half-closed",
      "101 DC downstream_remote_disconnect",
    ],
    heddle: {
      difference: "The end of an HTTP/1 tunnel is an end",
      sees: [
        ["HTTP/1.1 101 Switching Protocols", "connection: upgrade", "upgrade: websocket"],
        [
          ":authority: host.test; :method: CONNECT; :path: /chat; :protocol: websocket; :scheme: http; sec-websocket-key: x; x-forwarded-proto: http",
          "hello",
          "end",
        ],
        "half-closed",
        "101 - via_upstream",
      ],
    },
  }),
  scene({
    name: "WebSocket from HTTP/1 to HTTP/2 declined",
    config: http({ manager: websocket, clusters: [http2Cluster({ allow_connect: true })] }),
    upstream: frameUpstream(
      {
        onHead: ({ id }, peer) =>
          peer.message(
            id,
            [
              [":status", "403"],
              ["content-length", "2"],
            ],
            { body: "no" },
          ),
      },
      offersConnect,
    ),
    act: async (t) => {
      const got = await t.send(upgrade);
      return [[got.startLine, got.header("upgrade") ?? "none", got.body], await t.logLine()];
    },
    sees: [["HTTP/1.1 403 Forbidden", "none", "no"], "403 - via_upstream"],
  }),
  scene({
    name: "WebSocket from HTTP/2 to HTTP/1",
    config: fromHttp2(websocket),
    upstream: echoSwitched,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, extended(), { end: false });
      await client.head(1);
      await talk(client);
      (await t.upstream().connection()).end();
      return [
        String(client.settings.get(8)),
        streamText(await client.whole(1)),
        head(t),
        await t.logLine(),
      ];
    },
    sees: [
      "1",
      [":status: 200", "hello", "reset 10"],
      [
        "connection: upgrade",
        "get /chat http/1.1",
        "host: a.example",
        "sec-websocket-version: 13",
        "upgrade: websocket",
      ],
      "101 UC upstream_reset_after_response_started{connection_termination}",
    ],
    heddle: {
      difference: "The end of an HTTP/1 tunnel is an end",
      sees: [
        "1",
        [":status: 200", "hello", "reset 0"],
        [
          "connection: upgrade",
          "get /chat http/1.1",
          "host: a.example",
          "sec-websocket-version: 13",
          "upgrade: websocket",
        ],
        "101 - via_upstream",
      ],
    },
  }),
  scene({
    name: "WebSocket from HTTP/2 to HTTP/1 declined",
    config: fromHttp2(websocket),
    upstream: answer(response("426 Upgrade Required", "no")),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, extended(), { end: false });
      return [streamText(await client.whole(1)), await t.logLine()];
    },
    sees: [[":status: 426; content-length: 2", "no", "reset 0"], "426 - via_upstream"],
  }),
  scene({
    name: "WebSocket over HTTP/2 both ways",
    config: fromHttp2(websocket, http2Cluster({ allow_connect: true })),
    upstream: echoFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, extended(), { end: false });
      await client.head(1);
      await talk(client);
      client.send(data(1, "", true));
      return [streamText(await client.whole(1)), await forwardedFrames(t), await t.logLine()];
    },
    sees: [
      [":status: 200", "hello", "end"],
      [
        ":authority: a.example; :method: CONNECT; :path: /chat; :protocol: websocket; :scheme: http; sec-websocket-version: 13; x-forwarded-proto: http",
        "hello",
        "end",
      ],
      "101 - via_upstream",
    ],
  }),
  scene({
    name: "extended CONNECT is not offered and not taken unless allowed",
    config: http2({}, { manager: websocket }),
    upstream: echoSwitched,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, extended(), { end: false });
      const { end = "" } = await client.whole(1);
      return [String(client.settings.get(8) ?? 0), end, await t.logLine()];
    },
    sees: ["0", "closed", "0 DPE http2.invalid.header.field"],
  }),
  scene({
    name: "extended CONNECT without an upgrade of its type is refused",
    config: fromHttp2({}),
    upstream: echoSwitched,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, extended(), { end: false });
      return [streamText(await client.whole(1)), await t.logLine()];
    },
    sees: [[":status: 403", "reset 0"], "403 - upgrade_failed"],
  }),
  scene({
    name: "CONNECT over HTTP/2 becomes a TCP tunnel",
    config: http2({}, { routes: terminate }),
    upstream: echo(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, connect, { end: false });
      await client.head(1);
      await talk(client);
      client.send(data(1, "", true));
      return [streamText(await client.whole(1)), t.upstream().received, await t.logLine()];
    },
    sees: [[":status: 200", "hello", "end"], "hello", "200 - via_upstream"],
  }),
  scene({
    name: "CONNECT over HTTP/2: the upstream ends its side first",
    config: http2({}, { routes: terminate }),
    upstream: async (connection) => {
      await connection.write("bye");
      connection.end();
      await connection.readThrough("late");
      connection.close();
    },
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, connect, { end: false });
      await client.body(1, "bye");
      const seen = await client.whole(1);
      return [streamText(seen), await t.logLine()];
    },
    sees: [[":status: 200", "bye", "reset 0"], "200 - via_upstream"],
  }),
  scene({
    name: "CONNECT over HTTP/2: the upstream resets",
    config: http2({}, { routes: terminate }),
    upstream: async (connection) => {
      await connection.readThrough("hello");
      connection.reset();
    },
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, connect, { end: false });
      await client.head(1);
      client.send(data(1, "hello"));
      return [streamText(await client.whole(1)), await t.logLine()];
    },
    sees: [
      [":status: 200", "reset 10"],
      "200 UC upstream_reset_after_response_started{connection_termination}",
    ],
  }),
  scene({
    name: "CONNECT over HTTP/2: the client resets",
    config: http2({}, { routes: terminate }),
    upstream: echo(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, connect, { end: false });
      await client.head(1);
      await talk(client);
      client.send(rstStream(1));
      return [await (await t.upstream().connection()).ended(), await t.logLine()];
    },
    sees: ["half-closed", "200 DR http2.remote_reset"],
  }),
  scene({
    name: "CONNECT over HTTP/2 to where nobody listens",
    config: http2({}, { routes: terminate, clusters: [nowhere()] }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, connect, { end: false });
      // The answer is whole: how its stream ends then does not matter.
      return [streamText(await client.whole(1)).slice(0, 2), await t.logLine()];
    },
    sees: [
      [
        ":status: 503; content-length: 98; content-type: text/plain",
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
      ],
      "503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
    ],
  }),
  scene({
    name: "CONNECT over HTTP/2 without a route for it",
    config: http2(),
    upstream: echo(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, connect, { end: false });
      return [streamText(await client.whole(1)), await t.logLine()];
    },
    sees: [[":status: 404", "reset 0"], "404 NR route_not_found"],
  }),
  scene({
    name: "CONNECT from HTTP/2 is passed on over HTTP/1",
    config: http2({}, { manager: passOn, routes: connectRoute() }),
    upstream: async (connection) => {
      connection.consume((await connection.requestHead()).length);
      await connection.write("HTTP/1.1 200 OK\r\n\r\n");
      await connection.readThrough("hello");
      await connection.write("hello");
      connection.end();
    },
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, connect, { end: false });
      await client.head(1);
      await talk(client);
      return [streamText(await client.whole(1)), head(t), await t.logLine()];
    },
    sees: [
      [":status: 200", "hello", "reset 10"],
      ["connect target.test:443 http/1.1", "host: target.test:443"],
      "200 UC upstream_reset_after_response_started{connection_termination}",
    ],
    heddle: {
      difference: "The end of an HTTP/1 tunnel is an end",
      sees: [
        [":status: 200", "hello", "reset 0"],
        ["connect target.test:443 http/1.1", "host: target.test:443"],
        "200 - via_upstream",
      ],
    },
  }),
  scene({
    name: "CONNECT from HTTP/1 is passed on over HTTP/2",
    config: http({
      manager: { ...passOn, delayed_close_timeout: "0.05s" },
      routes: connectRoute(),
      clusters: [http2Cluster()],
    }),
    upstream: echoFrames,
    act: async (t) => {
      const client = await t.connect();
      await client.write(lines("CONNECT target.test:443 HTTP/1.1", "host: target.test:443"));
      const answered = await client.readThrough("\r\n\r\n");
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      await client.ended();
      return [answered.split("\r\n")[0] ?? "", await forwardedFrames(t), await t.logLine()];
    },
    sees: [
      "HTTP/1.1 200 OK",
      [
        ":authority: target.test:443; :method: CONNECT; x-forwarded-proto: http",
        "hello",
        "reset 2",
      ],
      "200 DC downstream_remote_disconnect",
    ],
    heddle: {
      difference: "The end of an HTTP/1 tunnel is an end",
      sees: [
        "HTTP/1.1 200 OK",
        [":authority: target.test:443; :method: CONNECT; x-forwarded-proto: http", "hello", "end"],
        "200 - via_upstream",
      ],
    },
  }),
  scene({
    name: "CONNECT is passed on over HTTP/2 both ways",
    config: http2({}, { manager: passOn, routes: connectRoute(), clusters: [http2Cluster()] }),
    upstream: echoFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, connect, { end: false });
      await client.head(1);
      await talk(client);
      client.send(data(1, "", true));
      return [streamText(await client.whole(1)), await forwardedFrames(t), await t.logLine()];
    },
    sees: [
      [":status: 200", "hello", "end"],
      [":authority: target.test:443; :method: CONNECT; x-forwarded-proto: http", "hello", "end"],
      "200 - via_upstream",
    ],
  }),
  scene({
    name: "a tunnel over HTTP/2 that the upstream resets",
    config: fromHttp2(websocket, http2Cluster({ allow_connect: true })),
    upstream: frameUpstream(
      {
        onHead: ({ id }, peer) => peer.message(id, [[":status", "200"]], { end: false }),
        onData: ({ id }, peer) => peer.send(rstStream(id, 2)),
      },
      offersConnect,
    ),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, extended(), { end: false });
      await client.head(1);
      client.send(data(1, "hello"));
      return [streamText(await client.whole(1)), await t.logLine()];
    },
    sees: [
      [":status: 200", "reset 2"],
      "101 UR upstream_reset_after_response_started{remote_reset}",
    ],
  }),
  scene({
    name: "tunnels are counted",
    config: fromHttp2(websocket),
    upstream: echoSwitched,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, extended(), { end: false });
      await client.head(1);
      await t.stats({
        "http.{case}.downstream_cx_upgrades_total": 1,
        "http.{case}.downstream_cx_upgrades_active": 1,
      });
      client.send(rstStream(1));
      await t.stats({ "http.{case}.downstream_cx_upgrades_active": 0 });
      // Whether by FIN or RST depends on what the upstream had still to read.
      await (await t.upstream().connection()).ended();
      return [await t.logLine()];
    },
    sees: ["101 DR http2.remote_reset"],
  }),
]);
