/** How many streams and connections there may be, and for how long. */
import { frameUpstream } from "../../testkit/http2/frame-peer.ts";
import { parityArea } from "./harness/area.ts";
import { type JsonObject, route, toCluster } from "./harness/config.ts";
import {
  askFrames,
  connectFrames,
  http2,
  http2Cluster,
  okFrames,
  request,
  streamText,
  upstreamFrames,
} from "./harness/http2.ts";
import { type Seen, scene } from "./harness/scene.ts";

/** The assertions are about counters. */
const counted: Seen = [];
const thresholds = (limits: JsonObject): JsonObject => ({
  circuit_breakers: { thresholds: [limits] },
});
const upstreamOf = (options: JsonObject, more: Parameters<typeof http2Cluster>[1] = {}) =>
  http2({}, { clusters: [http2Cluster(options, more)] });

parityArea("http2-limits", [
  scene({
    name: "many requests share a connection",
    config: upstreamOf({}),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      for (const id of [1, 3, 5]) client.message(id, request("GET", "/"));
      const upstream = await upstreamFrames(t);
      await upstream.head(5);
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 1,
        "cluster.{case}-main.upstream_cx_http2_total": 1,
        "cluster.{case}-main.upstream_rq_active": 3,
        "cluster.{case}-main.http2.streams_active": 3,
        "http.{case}.downstream_cx_http2_total": 1,
        "http.{case}.downstream_cx_http2_active": 1,
        "http.{case}.downstream_rq_http2_total": 3,
        "http.{case}.downstream_rq_active": 3,
      });
      return counted;
    },
    sees: counted,
  }),
  scene({
    name: "the cluster's max_concurrent_streams: a second connection",
    config: upstreamOf({ max_concurrent_streams: 1 }),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      client.message(3, request("GET", "/"));
      await (await upstreamFrames(t)).head(1);
      await (await upstreamFrames(t, { index: 1 })).head(1);
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 2,
        "cluster.{case}-main.upstream_cx_active": 2,
      });
      return counted;
    },
    sees: counted,
  }),
  scene({
    name: "the upstream's MAX_CONCURRENT_STREAMS: a second connection",
    config: upstreamOf({}),
    upstream: frameUpstream({}, { settings: [[3, 1]] }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await (await upstreamFrames(t)).head(1);
      client.message(3, request("GET", "/"));
      await (await upstreamFrames(t, { index: 1 })).head(1);
      await t.stats({ "cluster.{case}-main.upstream_cx_total": 2 });
      return counted;
    },
    sees: counted,
  }),
  scene({
    name: "a place that becomes free is taken again",
    config: upstreamOf({ max_concurrent_streams: 1 }),
    upstream: okFrames,
    act: async (t) => {
      await askFrames(t, request("GET", "/"));
      await askFrames(t, request("GET", "/"));
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 1,
        "cluster.{case}-main.upstream_rq_total": 2,
      });
      return counted;
    },
    sees: counted,
  }),
  scene({
    name: "the cluster's max_requests_per_connection",
    config: upstreamOf({}, { common: { max_requests_per_connection: 1 } }),
    upstream: okFrames,
    act: async (t) => {
      await askFrames(t, request("GET", "/"));
      await askFrames(t, request("GET", "/"));
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 2,
        "cluster.{case}-main.upstream_cx_max_requests": 2,
        "cluster.{case}-main.upstream_cx_active": 0,
      });
      return counted;
    },
    sees: counted,
  }),
  scene({
    name: "the listener's max_requests_per_connection: GOAWAY",
    config: http2(
      {},
      {
        manager: {
          common_http_protocol_options: { max_requests_per_connection: 2 },
          drain_timeout: "0.1s",
        },
        clusters: [http2Cluster()],
      },
    ),
    upstream: okFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      const none = client.goAways.length;
      client.message(3, request("GET", "/"));
      const last = streamText(await client.whole(3));
      await client.wire.ended();
      await t.stats({ "http.{case}.downstream_cx_max_requests_reached": 1 });
      return [String(none), last, ...client.goAways];
    },
    sees: ["0", [":status: 200", "ok", "end"], "2147483647 0", "3 0"],
  }),
  scene({
    name: "circuit breaker: max_requests",
    config: upstreamOf({}, { more: thresholds({ max_requests: 1 }) }),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await (await upstreamFrames(t)).head(1);
      client.message(3, request("GET", "/"));
      const got = streamText(await client.whole(3));
      await t.stats({
        "cluster.{case}-main.upstream_rq_active_overflow": 1,
        "cluster.{case}-main.upstream_cx_total": 1,
      });
      return [got, await t.logLine()];
    },
    sees: [
      [
        ":status: 503; content-length: 81; content-type: text/plain; x-envoy-overloaded: true",
        "upstream connect error or disconnect/reset before headers. reset reason: overflow",
        "end",
      ],
      "503 UO upstream_reset_before_response_started{overflow}",
    ],
  }),
  scene({
    name: "circuit breaker: max_pending_requests",
    config: upstreamOf({}, { more: thresholds({ max_pending_requests: 0 }) }),
    upstream: frameUpstream(),
    act: async (t) => {
      const got = streamText(await askFrames(t, request("GET", "/")));
      await t.stats({ "cluster.{case}-main.upstream_rq_pending_overflow": 1 });
      return [got, await t.logLine()];
    },
    sees: [
      [
        ":status: 503; content-length: 81; content-type: text/plain; x-envoy-overloaded: true",
        "upstream connect error or disconnect/reset before headers. reset reason: overflow",
        "end",
      ],
      "503 UO upstream_reset_before_response_started{overflow}",
    ],
  }),
  scene({
    name: "circuit breaker: max_connections, and the second waits",
    config: upstreamOf({ max_concurrent_streams: 1 }, { more: thresholds({ max_connections: 1 }) }),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const upstream = await upstreamFrames(t);
      await upstream.head(1);
      client.message(3, request("GET", "/"));
      await t.stats({
        "cluster.{case}-main.upstream_cx_overflow": 1,
        "cluster.{case}-main.upstream_rq_pending_active": 1,
        "cluster.{case}-main.upstream_cx_total": 1,
      });
      upstream.message(1, [[":status", "200"]]);
      await upstream.head(3);
      upstream.message(3, [[":status", "200"]]);
      return [streamText(await client.whole(3))];
    },
    sees: [[":status: 200", "end"]],
  }),
  scene({
    name: "a route's timeout resets the upstream's stream and keeps its connection",
    config: http2(
      {},
      {
        clusters: [http2Cluster()],
        routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.1s" }))],
      },
    ),
    upstream: frameUpstream(),
    act: async (t) => {
      const got = streamText(await askFrames(t, request("GET", "/")));
      const upstream = await upstreamFrames(t);
      await upstream.until(
        "reset",
        () => upstream.streams.get(1)?.end?.startsWith("reset") || undefined,
      );
      await t.stats({
        "cluster.{case}-main.upstream_cx_active": 1,
        "cluster.{case}-main.upstream_rq_timeout": 1,
        "cluster.{case}-main.upstream_rq_tx_reset": 1,
      });
      return [got, await t.logLine()];
    },
    sees: [
      [
        ":status: 504; content-length: 24; content-type: text/plain",
        "upstream request timeout",
        "end",
      ],
      "504 UT response_timeout",
    ],
  }),
  scene({
    name: "a route's timeout in mid-answer",
    config: http2(
      {},
      {
        clusters: [http2Cluster()],
        routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.1s" }))],
      },
    ),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => peer.message(id, [[":status", "200"]], { body: "part", end: false }),
    }),
    act: async (t) => [streamText(await askFrames(t, request("GET", "/"))), await t.logLine()],
    sees: [[":status: 200", "part", "reset 2"], "200 UT response_timeout"],
  }),
  scene({
    name: "stream idle timeout: before the answer, and in it",
    config: http2({}, { manager: { stream_idle_timeout: "0.1s" }, clusters: [http2Cluster()] }),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        if (id === 3) peer.message(id, [[":status", "200"]], { body: "part", end: false });
      },
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const first = streamText(await client.whole(1));
      client.message(3, request("GET", "/"));
      const second = streamText(await client.whole(3));
      client.message(5, request("POST", "/"), { end: false });
      const third = streamText(await client.whole(5));
      return [first, second, third, ...(await t.log(3))];
    },
    sees: [
      [":status: 504; content-length: 14; content-type: text/plain", "stream timeout", "end"],
      [":status: 200", "part", "reset 2"],
      [":status: 408; content-length: 14; content-type: text/plain", "stream timeout", "reset 0"],
      "504 SI stream_idle_timeout",
      "200 SI stream_idle_timeout",
      "408 SI stream_idle_timeout",
    ],
  }),
  scene({
    name: "request_timeout",
    config: http2({}, { manager: { request_timeout: "0.1s" }, clusters: [http2Cluster()] }),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/"), { end: false });
      return [streamText(await client.whole(1)), await t.logLine()];
    },
    sees: [
      [":status: 408; content-length: 15; content-type: text/plain", "request timeout", "reset 0"],
      "408 - request_overall_timeout",
    ],
  }),
  scene({
    name: "max_stream_duration: before the answer, and in it",
    config: http2(
      {},
      {
        manager: { common_http_protocol_options: { max_stream_duration: "0.1s" } },
        clusters: [http2Cluster()],
      },
    ),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        if (id === 3) peer.message(id, [[":status", "200"]], { body: "part", end: false });
      },
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const first = streamText(await client.whole(1));
      client.message(3, request("GET", "/"));
      const second = streamText(await client.whole(3));
      return [first, second, ...(await t.log(2))];
    },
    sees: [
      [
        ":status: 504; content-length: 27; content-type: text/plain",
        "downstream duration timeout",
        "end",
      ],
      [":status: 200", "part", "reset 2"],
      "504 - max_duration_timeout",
      "200 - max_duration_timeout",
    ],
  }),
  scene({
    name: "idle timeout: GOAWAY, and the end",
    config: http2(
      {},
      {
        manager: { common_http_protocol_options: { idle_timeout: "0.1s" }, drain_timeout: "0.1s" },
        clusters: [http2Cluster()],
      },
    ),
    upstream: okFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      await client.wire.ended();
      await t.stats({ "http.{case}.downstream_cx_idle_timeout": 1 });
      return client.goAways;
    },
    sees: ["2147483647 0", "1 0"],
  }),
  scene({
    name: "max_connection_duration: GOAWAY, and what runs may end",
    config: http2(
      {},
      {
        manager: {
          common_http_protocol_options: { max_connection_duration: "0.1s" },
          drain_timeout: "0.1s",
        },
        clusters: [http2Cluster()],
      },
    ),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const upstream = await upstreamFrames(t);
      await upstream.head(1);
      await client.until("two GOAWAYs", () => client.goAways[1]);
      upstream.message(1, [[":status", "200"]]);
      const got = streamText(await client.whole(1));
      await client.wire.ended();
      await t.stats({ "http.{case}.downstream_cx_max_duration_reached": 1 });
      return [got, ...client.goAways];
    },
    sees: [[":status: 200", "end"], "2147483647 0", "1 0"],
  }),
  scene({
    name: "the upstream's idle timeout",
    config: upstreamOf({}, { common: { idle_timeout: "0.1s" } }),
    upstream: okFrames,
    act: async (t) => {
      await askFrames(t, request("GET", "/"));
      await (await t.upstream().connection()).ended();
      await t.stats({
        "cluster.{case}-main.upstream_cx_idle_timeout": 1,
        "cluster.{case}-main.upstream_cx_active": 0,
      });
      return counted;
    },
    sees: counted,
  }),
  scene({
    name: "the upstream's max_connection_duration",
    config: upstreamOf({}, { common: { max_connection_duration: "0.1s" } }),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const upstream = await upstreamFrames(t);
      await upstream.head(1);
      await t.stats({ "cluster.{case}-main.upstream_cx_max_duration_reached": 1 });
      client.message(3, request("GET", "/"));
      await (await upstreamFrames(t, { index: 1 })).head(1);
      upstream.message(1, [[":status", "200"]]);
      const got = streamText(await client.whole(1));
      await (await t.upstream().connection()).ended();
      return [got];
    },
    sees: [[":status: 200", "end"]],
  }),
  scene({
    name: "keepalive: a client that answers PINGs stays",
    config: http2(
      { connection_keepalive: { interval: "0.05s", timeout: "1s" } },
      { clusters: [http2Cluster()] },
    ),
    upstream: okFrames,
    act: async (t) => {
      const client = await connectFrames(t);
      await client.until("three PINGs", ({ pings }) => (pings > 2 ? true : undefined));
      client.message(1, request("GET", "/"));
      return [streamText(await client.whole(1))];
    },
    sees: [[":status: 200", "ok", "end"]],
  }),
  scene({
    name: "keepalive: a client that does not is cut off",
    config: http2(
      { connection_keepalive: { interval: "0.05s", timeout: "0.05s" } },
      { clusters: [http2Cluster()] },
    ),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t, { deaf: true });
      client.message(1, request("GET", "/"));
      await client.wire.ended();
      return [await t.logLine(), ...client.goAways];
    },
    sees: ["0 DC downstream_local_disconnect(http2_ping_timeout)"],
  }),
  scene({
    name: "keepalive: an upstream that does not answer is cut off",
    config: upstreamOf({ connection_keepalive: { interval: "0.05s", timeout: "0.05s" } }),
    upstream: frameUpstream({}, { deaf: true }),
    act: async (t) => {
      const got = streamText(await askFrames(t, request("GET", "/")));
      await t.stats({ "cluster.{case}-main.http2.keepalive_timeout": 1 });
      return [got, await t.logLine()];
    },
    sees: [
      [
        ":status: 503; content-length: 95; content-type: text/plain",
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        "end",
      ],
      "503 UC upstream_reset_before_response_started{connection_termination}",
    ],
  }),
]);
