/** Streams that end before their time, and what becomes of the other side and of the other streams. */
import { byHand } from "../../testkit/fake-upstream.ts";
import { frameUpstream } from "../../testkit/http2/frame-peer.ts";
import { data, goAway, headers, literals, rstStream } from "../../testkit/http2/frames.ts";
import { parityArea } from "./harness/area.ts";
import { http } from "./harness/config.ts";
import { get } from "./harness/context.ts";
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

const both = () => http2({}, { clusters: [http2Cluster()] });
const head = (id: number, end = false) => headers(id, literals([[":status", "200"]]), { end });

parityArea("http2-cancels", [
  scene({
    name: "to an HTTP/1 client: reset before the head, and after it",
    config: http({ clusters: [http2Cluster()] }),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) =>
        id === 1 ? peer.send(rstStream(id, 2)) : peer.send(head(id), data(id, "part")),
    }),
    act: async (t) => {
      const first = await t.get("/");
      const client = await t.connect();
      await client.write(get("/"));
      await client.readThrough("part");
      (await upstreamFrames(t)).send(rstStream(3, 2));
      const how = await client.ended();
      return [[first.startLine, first.body], [client.unread.trim(), how], ...(await t.log(2))];
    },
    sees: [
      [
        "HTTP/1.1 503 Service Unavailable",
        "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
      ],
      ["", "half-closed"],
      "503 UR upstream_reset_before_response_started{remote_reset}",
      "200 UR upstream_reset_after_response_started{remote_reset}",
    ],
  }),
  scene({
    name: "an answer before the end of the request: NO_ERROR",
    config: both(),
    upstream: frameUpstream({
      onHead: ({ id }, peer) => peer.send(head(id), data(id, "early", true), rstStream(id, 0)),
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/"), { end: false });
      return [streamText(await client.whole(1)), await t.logLine()];
    },
    sees: [[":status: 200", "early", "reset 0"], "200 - via_upstream"],
  }),
  scene({
    name: "an answer before the end of the request",
    config: both(),
    upstream: frameUpstream({
      onHead: ({ id }, peer) => peer.send(head(id), data(id, "early", true)),
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/"), { end: false });
      const got = streamText(await client.whole(1));
      return [got, await t.logLine(), streamText(await (await upstreamFrames(t)).whole(1))];
    },
    sees: [
      [":status: 200", "early", "reset 0"],
      "200 - via_upstream",
      [
        ":authority: a.example; :method: POST; :path: /; :scheme: http; x-forwarded-proto: http",
        "reset 2",
      ],
    ],
    heddle: {
      difference: "HTTP/2 answers that are cut short end with an error",
      sees: [
        [":status: 200", "early", "reset 0"],
        "200 - via_upstream",
        [
          ":authority: a.example; :method: POST; :path: /; :scheme: http; x-forwarded-proto: http",
          "reset 8",
        ],
      ],
    },
  }),
  scene({
    name: "the client's RST_STREAM cancels the upstream's stream",
    config: both(),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const upstream = await upstreamFrames(t);
      await upstream.head(1);
      client.send(rstStream(1));
      await upstream.until(
        "reset",
        () => upstream.streams.get(1)?.end?.startsWith("reset") || undefined,
      );
      await t.stats({
        "http.{case}.downstream_rq_rx_reset": 1,
        "cluster.{case}-main.upstream_rq_tx_reset": 1,
        "cluster.{case}-main.upstream_rq_active": 0,
        "cluster.{case}-main.upstream_cx_active": 1,
      });
      return [await t.logLine()];
    },
    sees: ["0 DR http2.remote_reset"],
  }),
  scene({
    name: "the client's RST_STREAM closes an HTTP/1 upstream's connection",
    config: http2(),
    upstream: byHand(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      client.send(rstStream(1));
      await upstream.ended();
      return [await t.logLine()];
    },
    sees: ["0 DR http2.remote_reset"],
  }),
  scene({
    name: "the client's end of the connection cancels all its streams",
    config: both(),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      client.message(3, request("GET", "/"));
      const upstream = await upstreamFrames(t);
      await upstream.head(1);
      await upstream.head(3);
      client.wire.close();
      for (const id of [1, 3])
        await upstream.until(
          "reset",
          () => upstream.streams.get(id)?.end?.startsWith("reset") || undefined,
        );
      await t.stats({
        "http.{case}.downstream_cx_destroy_remote_active_rq": 1,
        "http.{case}.downstream_rq_active": 0,
        "http.{case}.downstream_cx_http2_active": 0,
      });
      return await t.log(2);
    },
    sees: ["0 DC downstream_remote_disconnect", "0 DC downstream_remote_disconnect"],
  }),
  scene({
    name: "an HTTP/1 client's end cancels an HTTP/2 upstream's stream",
    config: http({ clusters: [http2Cluster()] }),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      const upstream = await upstreamFrames(t);
      await upstream.head(1);
      client.close();
      await upstream.until(
        "reset",
        () => upstream.streams.get(1)?.end?.startsWith("reset") || undefined,
      );
      return [await t.logLine()];
    },
    sees: ["0 DC downstream_remote_disconnect"],
  }),
  scene({
    name: "one stream's reset leaves the others",
    config: both(),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        if (id === 3) peer.send(rstStream(1, 2), head(3), data(3, "fine", true));
      },
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/one"));
      await (await upstreamFrames(t)).head(1);
      client.message(3, request("GET", "/two"));
      return [
        streamText(await client.whole(1)),
        streamText(await client.whole(3)),
        ...[...(await t.log(2))].sort(),
      ];
    },
    sees: [
      [
        ":status: 503; content-length: 85; content-type: text/plain",
        "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
        "end",
      ],
      [":status: 200", "fine", "end"],
      "200 - via_upstream",
      "503 UR upstream_reset_before_response_started{remote_reset}",
    ],
  }),
  scene({
    name: "GOAWAY: the next request takes a new connection",
    config: both(),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        peer.send(head(id, true), goAway(id, 0));
      },
    }),
    act: async (t) => {
      await askFrames(t, request("GET", "/"));
      await t.stats({ "cluster.{case}-main.upstream_cx_destroy": 1 });
      await askFrames(t, request("GET", "/"));
      await t.stats({ "cluster.{case}-main.upstream_cx_total": 2 });
      return await t.log(2);
    },
    sees: ["200 - via_upstream", "200 - via_upstream"],
  }),
  scene({
    name: "an HTTP/1 upstream cuts its answer short",
    config: http2(),
    upstream: async (connection) => {
      await connection.request();
      await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart");
      connection.end();
    },
    act: async (t) => [streamText(await askFrames(t, request("GET", "/"))), await t.logLine()],
    sees: [
      [":status: 200; content-length: 9", "part", "reset 2"],
      "200 UPE upstream_reset_after_response_started{protocol_error}",
    ],
  }),
  scene({
    name: "an HTTP/1 upstream speaks garbage",
    config: http2(),
    upstream: async (connection) => {
      await connection.request();
      await connection.write("garbage\r\n\r\n");
    },
    act: async (t) => [streamText(await askFrames(t, request("GET", "/"))), await t.logLine()],
    sees: [
      [
        ":status: 502; content-length: 87; content-type: text/plain",
        "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
        "end",
      ],
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
  }),
]);
