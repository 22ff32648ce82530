/** Windows, settings, sizes of heads, malformed messages, and how connections wind down. */
import { answerFrames, frameUpstream } from "../../testkit/http2/frame-peer.ts";
import {
  continuation,
  goAway,
  headers,
  literals,
  ping,
  settings,
  windowUpdate,
} from "../../testkit/http2/frames.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { exchange, http2Server, reply } from "../../testkit/http2/node-peer.ts";
import { parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import {
  connectFrames,
  connectNode,
  http2,
  http2Cluster,
  okFrames,
  request,
  streamText,
  upstreamFrames,
  upstreamOptions,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";
import { nowhere } from "./harness/tcp-proxy.ts";

const smallWindows = { initial_stream_window_size: 65_535, initial_connection_window_size: 65_535 };
const both = (options: JsonObject = {}, upstream: JsonObject = {}, manager: JsonObject = {}) =>
  http2(options, { manager, clusters: [http2Cluster(upstream)] });
const head: readonly Field[] = [[":status", "200"]];
const settingNames = ["", "table", "push", "streams", "window", "frame", "list", "", "connect"];
/** Settings whose value is not what every peer starts with; a client's limit on pushed streams says nothing. */
const told = (all: ReadonlyMap<number, number>): readonly string[] =>
  [...all]
    .map(([setting, value]) => `${settingNames[setting]} ${value}`)
    .filter(
      (text) =>
        /^(table|streams|window|connect) [1-9]/.test(text) &&
        text !== "table 4096" &&
        text !== "window 65535",
    )
    .sort();

parityArea("http2-flow", [
  scene({
    name: "settings of a listener and of a cluster, by default",
    config: both(),
    upstream: okFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      return [
        told(client.settings),
        told((await upstreamFrames(t)).settings).filter((text) => !text.startsWith("streams")),
      ];
    },
    sees: [["streams 1024", "window 16777216"], ["window 16777216"]],
  }),
  scene({
    name: "settings of a listener and of a cluster, as configured",
    config: both(
      {
        hpack_table_size: 1024,
        max_concurrent_streams: 7,
        initial_stream_window_size: 70_000,
        allow_connect: true,
      },
      { hpack_table_size: 2048, initial_stream_window_size: 80_000 },
    ),
    upstream: okFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      return [
        told(client.settings),
        told((await upstreamFrames(t)).settings).filter((text) => !text.startsWith("streams")),
      ];
    },
    sees: [
      ["connect 1", "streams 7", "table 1024", "window 70000"],
      ["table 2048", "window 80000"],
    ],
  }),
  scene({
    name: "bodies larger than all windows, both ways",
    config: both(smallWindows, smallWindows),
    upstream: http2Server(({ stream, body }) => reply(stream, { ":status": 200 }, body)),
    act: async (t) => {
      const body = "0123456789abcdef!".repeat(60_000);
      const session = await connectNode(t);
      const got = await exchange(session, { ":method": "POST", ":path": "/" }, body);
      return [String(got.status), String(got.body === body)];
    },
    sees: ["200", "true"],
  }),
  scene({
    name: "many bodies at a time share the connection's window",
    config: both(smallWindows, smallWindows),
    upstream: http2Server(({ stream, body }) => reply(stream, { ":status": 200 }, body)),
    act: async (t) => {
      const session = await connectNode(t);
      const bodies = ["a", "b", "c", "d", "e"].map((letter) => letter.repeat(200_000));
      const got = await Promise.all(
        bodies.map((body) => exchange(session, { ":method": "POST", ":path": "/" }, body)),
      );
      return got.map(({ status, body }, index) => `${status} ${body === bodies[index]}`);
    },
    sees: ["200 true", "200 true", "200 true", "200 true", "200 true"],
  }),
  scene({
    name: "an upstream's window holds the request's body",
    config: both(),
    upstream: frameUpstream(
      { onEnd: ({ id }, peer) => peer.message(id, head) },
      { holdsWindow: true, settings: [[4, 10]] },
    ),
    act: async (t) => {
      // The first request makes the upstream's settings known.
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      client.message(3, request("POST", "/"), { body: "0123456789abcdefghij" });
      const upstream = await upstreamFrames(t);
      const first = (await upstream.body(3, "9")).body;
      upstream.send(windowUpdate(3, 4));
      const second = (await upstream.body(3, "d")).body;
      upstream.send(settings([[4, 100]]));
      await client.whole(3);
      return [first, second, upstream.streams.get(3)?.body ?? ""];
    },
    sees: ["0123456789", "0123456789abcd", "0123456789abcdefghij"],
  }),
  scene({
    name: "a client's window holds the answer",
    config: both(),
    upstream: answerFrames(head, { body: "0123456789abcdefghij" }),
    act: async (t) => {
      const client = await connectFrames(t, { holdsWindow: true, settings: [[4, 10]] });
      client.message(1, request("GET", "/"));
      const first = (await client.body(1, "9")).body;
      client.send(windowUpdate(1, 100));
      return [first, streamText(await client.whole(1))];
    },
    sees: ["0123456789", [":status: 200", "0123456789abcdefghij", "end"]],
  }),
  scene({
    name: "a slow client holds the upstream",
    config: http2(
      {},
      {
        listener: { per_connection_buffer_limit_bytes: 16_384 },
        clusters: [
          http2Cluster(
            { initial_stream_window_size: 65_535 },
            { more: { per_connection_buffer_limit_bytes: 16_384 } },
          ),
        ],
      },
    ),
    upstream: http2Server(({ stream }) => reply(stream, { ":status": 200 }, "x".repeat(1_000_000))),
    act: async (t) => {
      const client = await connectFrames(t, { holdsWindow: true });
      client.message(1, request("GET", "/"));
      await client.until(
        "the window full",
        ({ streams }) => streams.get(1)?.body.length === 65_535 || undefined,
      );
      await t.eventually(async () => {
        const paused = await t.stat(
          "cluster.{case}-main.upstream_flow_control_paused_reading_total",
        );
        if (paused === undefined || paused === 0) throw new Error("not held yet");
      });
      client.send(windowUpdate(0, 10_000_000), windowUpdate(1, 10_000_000));
      const { body, end } = await client.whole(1);
      return [`${body.length} ${end}`];
    },
    sees: ["1000000 end"],
  }),
  ...(
    [
      ["by default costs the connection", {}, {}],
      [
        "costs its stream with the codec's override",
        { override_stream_error_on_invalid_http_message: true },
        {},
      ],
      [
        "costs its stream with the manager's option",
        {},
        { stream_error_on_invalid_http_message: true },
      ],
      [
        "costs the connection where the codec overrides the manager",
        { override_stream_error_on_invalid_http_message: false },
        { stream_error_on_invalid_http_message: true },
      ],
    ] as const
  ).map(([name, options, manager]) =>
    scene({
      name: `a malformed head ${name}`,
      config: both(options, {}, manager),
      upstream: okFrames,
      act: async (t) => {
        const client = await connectFrames(t);
        client.message(1, request("GET", "/", ["connection", "close"]));
        const { end = "" } = await client.whole(1);
        return [end, await t.logLine()];
      },
      sees: name.includes("stream")
        ? ["reset 1", "0 DPE http2.invalid.header.field"]
        : ["closed", "0 DPE http2.invalid.header.field"],
    }),
  ),
  scene({
    name: "max_request_headers_kb and max_headers_count",
    config: both(
      {},
      {},
      { max_request_headers_kb: 1, common_http_protocol_options: { max_headers_count: 10 } },
    ),
    upstream: okFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/", ["x-a", "a".repeat(1100)]));
      const first = streamText(await client.whole(1));
      client.message(
        3,
        request("GET", "/", ...Array.from({ length: 7 }, (_, i) => [`x-${i}`, "1"] as const)),
      );
      const second = streamText(await client.whole(3));
      client.message(
        5,
        request("GET", "/", ...Array.from({ length: 6 }, (_, i) => [`x-${i}`, "1"] as const)),
      );
      return [first, second, streamText(await client.whole(5)), ...(await t.log(3))];
    },
    sees: [
      ["reset 2"],
      ["reset 2"],
      [":status: 200", "ok", "end"],
      "0 DR http2.header_list_size_too_large",
      "0 DR http2.too_many_headers",
      "200 - via_upstream",
    ],
  }),
  scene({
    name: "a large head is forwarded in several frames",
    config: both(),
    upstream: okFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      const fields = Array.from({ length: 40 }, (_, i) => [`x-${i}`, "v".repeat(1000)] as const);
      const block = literals(request("GET", "/", ...fields));
      client.send(headers(1, block.subarray(0, 16_000), { more: true, end: true }));
      client.send(
        continuation(1, block.subarray(16_000, 32_000), true),
        continuation(1, block.subarray(32_000)),
      );
      const got = streamText(await client.whole(1));
      const seen = (await upstreamFrames(t)).streams.get(1)?.sections[0] ?? [];
      return [got, String(seen.filter((field) => field.endsWith("v".repeat(1000))).length)];
    },
    sees: [[":status: 200", "ok", "end"], "40"],
  }),
  scene({
    name: "without HPACK's dynamic table",
    config: both({ hpack_table_size: 0 }, { hpack_table_size: 0 }),
    upstream: http2Server(
      ({ stream, headers: fields }) =>
        reply(stream, { ":status": 200, "x-back": fields["x-there"] }),
      { headerTableSize: 0 },
    ),
    act: async (t) => {
      const session = await connectNode(t, { settings: { headerTableSize: 0 } });
      const seen: string[] = [];
      for (const value of ["one", "one", "two"])
        seen.push(
          String((await exchange(session, { ":path": "/", "x-there": value })).headers["x-back"]),
        );
      return seen;
    },
    sees: ["one", "one", "two"],
  }),
  scene({
    name: "no connection: every request that waits is told",
    config: http2(
      {},
      {
        clusters: [
          nowhere(upstreamOptions({ explicit_http_config: { http2_protocol_options: {} } })),
        ],
      },
    ),
    act: async (t) => {
      const client = await connectFrames(t);
      // In one read: before the connection has failed.
      const block = literals(request("GET", "/"));
      client.send(headers(1, block, { end: true }), headers(3, block, { end: true }));
      const all = [await client.whole(1), await client.whole(3)].map(
        (stream) => streamText(stream)[1] ?? "",
      );
      await t.stats({
        "cluster.{case}-main.upstream_cx_connect_fail": 1,
        "cluster.{case}-main.upstream_rq_pending_failure_eject": 2,
      });
      return [...all, ...(await t.log(2))];
    },
    sees: [
      "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
      "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
      "503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
      "503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
    ],
  }),
  scene({
    name: "GOAWAY by the client: its streams end well",
    config: both(),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const upstream = await upstreamFrames(t);
      await upstream.head(1);
      client.send(goAway(0, 0), ping);
      upstream.message(1, head, { body: "fine" });
      return [streamText(await client.whole(1)), await t.logLine()];
    },
    sees: [[":status: 200", "fine", "end"], "200 - via_upstream"],
  }),
  scene({
    name: "a proxy that fails its health check says GOAWAY",
    config: both({}, {}, { drain_timeout: "0.1s" }),
    upstream: okFrames,
    own: {},
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      const before = client.goAways.length;
      await t.admin("/healthcheck/fail", "POST");
      client.message(3, request("GET", "/"));
      const got = streamText(await client.whole(3));
      await client.wire.ended();
      return [String(before), got, ...client.goAways];
    },
    sees: ["0", [":status: 200", "ok", "end"], "2147483647 0", "3 0"],
  }),
  scene({
    name: "listeners that drain gracefully: requests go on, then GOAWAY",
    config: both({}, {}, { drain_timeout: "0.1s" }),
    upstream: okFrames,
    own: { arguments: ["--drain-time-s", "1", "--drain-strategy", "immediate"] },
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      await t.admin("/drain_listeners?graceful", "POST");
      client.message(3, request("GET", "/"));
      const got = streamText(await client.whole(3));
      await client.wire.ended();
      return [got, ...client.goAways];
    },
    sees: [[":status: 200", "ok", "end"], "2147483647 0", "3 0"],
  }),
]);
