import assert from "node:assert/strict";
import { byHand } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  connectionManager,
  direct,
  http,
  type JsonObject,
  listener,
  route,
} from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { grpcRequest } from "./harness/grpc.ts";
import { askFrames, connectFrames, http2, request, streamText } from "./harness/http2.ts";
import {
  action,
  between,
  calm,
  from,
  injected,
  injectedMonitor,
  overload,
  press,
  putPressure,
  saturate,
  shedPoint,
  triggered,
} from "./harness/overload.ts";
import { downstreamTls } from "./harness/tls.ts";

const hello = { routes: [route({ prefix: "/" }, direct("ok"))] };
const hour = "3600s";
const closing = { drain_timeout: "0.05s", delayed_close_timeout: "0.05s" };

type Own = NonNullable<ParityCase["own"]>;

/** With one action, triggered from a pressure of 0.9 on. */
const acting = (name: string, trigger?: JsonObject, extra?: JsonObject): Own => ({
  bootstrap: overload({ actions: [triggered(action(name), trigger, extra)] }),
});

const decodeHeaders = shedPoint("http_connection_manager_decode_headers");
const creatingCodec = shedPoint("hcm_ondata_creating_codec");

const reducing = (...timers: readonly JsonObject[]): Own =>
  acting("reduce_timeouts", between(0.5, 0.9), {
    typed_config: {
      "@type": "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
      timer_scale_factors: timers,
    },
  });

const manager = (common: JsonObject): JsonObject =>
  connectionManager({
    ...hello,
    manager: { ...closing, common_http_protocol_options: common },
  });

const requests: readonly ParityCase[] = [
  {
    name: "stop_accepting_requests: 503, what runs goes on, and 200 again when the pressure has gone",
    config: http({ routes: [route({ prefix: "/slow" }), ...hello.routes] }),
    upstream: byHand(),
    own: acting("stop_accepting_requests"),
    prepare: calm,
    run: async (t) => {
      const running = await t.connect();
      await running.write(get("/slow"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await saturate(t, action("stop_accepting_requests"));
      const client = await t.connect();
      const got = await client.exchange(get("/"));
      assert.deepEqual([got.status, got.body], [503, "envoy overloaded"]);
      assert.equal(got.header("connection"), undefined);
      await upstream.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      assert.equal((await running.response()).status, 200);
      await press(t, 0.89);
      assert.equal((await client.exchange(get("/"))).status, 200);
      assert.deepEqual(await t.log(3), [
        "503 - overload",
        "200 - via_upstream",
        "200 - direct_response",
      ]);
      await t.stats({
        "http.{case}.downstream_rq_overload_close": 1,
        "http.{case}.downstream_rq_5xx": 1,
        [`overload.${action("stop_accepting_requests")}.active`]: 0,
      });
    },
  },
  {
    name: "stop_accepting_requests: gRPC and HTTP/2",
    config: http2({}, hello),
    own: acting("stop_accepting_requests"),
    prepare: calm,
    run: async (t) => {
      await saturate(t, action("stop_accepting_requests"));
      assert.deepEqual(streamText(await askFrames(t, request("GET", "/"))), [
        ":status: 503; content-length: 16; content-type: text/plain",
        "envoy overloaded",
        "end",
      ]);
      const [head] = streamText(await askFrames(t, grpcRequest(), { end: true }));
      assert.match(head ?? "", /:status: 200.*grpc-message: envoy overloaded; grpc-status: 14/);
    },
  },
  {
    name: "a scaled trigger refuses that part of the requests",
    config: http(hello),
    own: acting("stop_accepting_requests", between(0.2, 0.6)),
    prepare: calm,
    run: async (t) => {
      await press(t, 0.4);
      await t.stats({
        [`overload.${action("stop_accepting_requests")}.active`]: 0,
        [`overload.${action("stop_accepting_requests")}.scale_percent`]: 50,
      });
      const client = await t.connect();
      let refused = 0;
      for (let i = 0; i < 400; i++)
        if ((await client.exchange(get("/"))).status === 503) refused += 1;
      // Half of 400, six times the deviation of 10 to either side.
      assert.ok(Math.abs(refused - 200) < 60, `${refused} of 400 refused`);
      await t.stats({ "http.{case}.downstream_rq_overload_close": refused });
    },
  },
  {
    name: "disable_http_keepalive: an answer is its connection's last",
    config: http({ ...hello, manager: closing }),
    own: acting("disable_http_keepalive"),
    prepare: calm,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).header("connection"), undefined);
      await saturate(t, action("disable_http_keepalive"));
      const last = await client.exchange(get("/"));
      assert.deepEqual([last.status, last.header("connection")], [200, "close"]);
      await client.ended();
      await t.stats({
        "http.{case}.downstream_cx_overload_disable_keepalive": 1,
        "http.{case}.downstream_cx_drain_close": 1,
      });
    },
  },
  {
    name: "disable_http_keepalive: GOAWAY in HTTP/2, once",
    config: http2({}, { ...hello, manager: closing }),
    own: acting("disable_http_keepalive"),
    prepare: calm,
    run: async (t) => {
      await saturate(t, action("disable_http_keepalive"));
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      await client.whole(1);
      await client.wire.ended();
      assert.deepEqual(client.goAways, ["2147483647 0", "1 0"]);
      await t.stats({ "http.{case}.downstream_cx_overload_disable_keepalive": 1 });
    },
  },
  {
    name: "load-shed points: decode_headers refuses requests, creating_codec closes connections at their first bytes",
    config: http({ ...hello, manager: closing }),
    own: {
      bootstrap: overload({
        loadshed_points: [triggered(decodeHeaders, from(0.5)), triggered(creatingCodec, from(0.9))],
      }),
    },
    prepare: calm,
    run: async (t) => {
      await saturate(t, decodeHeaders, 0.5);
      const old = await t.connect();
      const got = await old.exchange(get("/"));
      assert.deepEqual([got.status, got.body], [503, "envoy overloaded"]);
      assert.equal(await t.logLine(), "503 - overload");
      await t.stats({
        "http.{case}.downstream_rq_overload_close": 1,
        [`overload.${decodeHeaders}.shed_load_count`]: 1,
        [`overload.${creatingCodec}.shed_load_count`]: 0,
      });
      await saturate(t, creatingCodec, 0.9);
      const client = await t.connect();
      await client.write(get("/"));
      await client.ended();
      assert.equal(client.received, "");
      assert.equal((await old.exchange(get("/"))).status, 503);
      await t.stats({
        [`overload.${creatingCodec}.shed_load_count`]: 1,
        "http.{case}.downstream_rq_overload_close": 3,
        "http.{case}.downstream_cx_delayed_close_timeout": 1,
      });
    },
  },
];

const timeouts: readonly ParityCase[] = [
  {
    name: "reduce_timeouts: connections that idle, that are old, that shake hands, from before too",
    config: {
      listeners: [
        listener([manager({ idle_timeout: hour })]),
        listener([manager({ max_connection_duration: hour, idle_timeout: "0s" })], {}, "age"),
        listener(
          [],
          {
            filter_chains: [
              {
                filters: [manager({})],
                transport_socket: downstreamTls(),
                transport_socket_connect_timeout: hour,
              },
            ],
          },
          "tls",
        ),
      ],
    },
    own: reducing(
      { timer: "HTTP_DOWNSTREAM_CONNECTION_IDLE", min_timeout: "0.1s" },
      { timer: "HTTP_DOWNSTREAM_CONNECTION_MAX", min_scale: { value: 0.001 } },
      { timer: "TRANSPORT_SOCKET_CONNECT", min_timeout: "0.1s" },
    ),
    prepare: calm,
    run: async (t) => {
      const idle = await t.connect();
      await idle.exchange(get("/"));
      const others = [await t.connect("age"), await t.connect("tls")];
      await t.stats({
        "listener.{case}-age.downstream_cx_active": 1,
        "listener.{case}-tls.downstream_cx_active": 1,
      });
      await saturate(t, action("reduce_timeouts"));
      for (const client of [idle, ...others]) await client.ended();
      await (await t.connect()).ended();
      await t.stats({
        "http.{case}.downstream_cx_max_duration_reached": 1,
        "listener.{case}-tls.downstream_cx_transport_socket_connect_timeout": 1,
      });
      // Envoy's timer may fire again while a connection drains.
      assert.ok(((await t.stat("http.{case}.downstream_cx_idle_timeout")) ?? 0) >= 2);
    },
  },
  {
    name: "reduce_timeouts: a part of the way",
    config: { listeners: [listener([manager({ idle_timeout: "10s" })])] },
    own: reducing({ timer: "HTTP_DOWNSTREAM_CONNECTION_IDLE", min_scale: { value: 0 } }),
    prepare: calm,
    run: async (t) => {
      // Of the 10 s 2 % are left: 0.2 s.
      await press(t, 0.892);
      await t.stats({ [`overload.${action("reduce_timeouts")}.scale_percent`]: 98 });
      await (await t.connect()).ended();
      await t.stats({ "http.{case}.downstream_cx_idle_timeout": 1 });
    },
  },
  {
    name: "reduce_timeouts: streams, with the timeout of the manager or the route's own",
    config: http({
      routes: [
        route({ prefix: "/own" }, { route: { cluster: "{case}-main", idle_timeout: hour } }),
        route(),
      ],
      manager: { stream_idle_timeout: hour },
    }),
    upstream: byHand(),
    own: reducing({ timer: "HTTP_DOWNSTREAM_STREAM_IDLE", min_timeout: "0.1s" }),
    prepare: calm,
    run: async (t) => {
      const before = await t.connect();
      await before.write(get("/"));
      await (await t.upstream().connection()).request();
      await saturate(t, action("reduce_timeouts"));
      assert.equal((await before.response()).status, 504);
      assert.equal((await t.get("/own")).status, 504);
      assert.deepEqual(await t.log(2), [
        "504 SI stream_idle_timeout",
        "504 SI stream_idle_timeout",
      ]);
    },
  },
];

const second = "envoy.resource_monitors.fixed_heap";
const heapMonitor: JsonObject = {
  name: second,
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
    max_heap_size_bytes: 1,
  },
};

const monitors: readonly ParityCase[] = [
  {
    name: "a pressure that is no number from 0 to 1 is a failed update, and nothing changes",
    config: http(hello),
    own: acting("stop_accepting_requests"),
    prepare: calm,
    run: async (t) => {
      await saturate(t, action("stop_accepting_requests"), 0.95);
      for (const text of ["1.5", "-0.1", "much", ""]) {
        putPressure(t, text);
        const failed = (await t.stat(`overload.${injected}.failed_updates`)) ?? 0;
        await t.eventually(async () => {
          const now = (await t.stat(`overload.${injected}.failed_updates`)) ?? 0;
          assert.ok(now > failed + 2, `${now} failed updates`);
        });
      }
      assert.equal((await t.get("/")).status, 503);
      await t.stats({
        [`overload.${injected}.pressure`]: 95,
        [`overload.${injected}.skipped_updates`]: 0,
      });
    },
  },
  {
    name: "fixed_heap weighs the process; of two triggers the stronger counts, and the gauges show the one that changed last",
    config: http(hello),
    own: {
      bootstrap: overload({
        resource_monitors: [injectedMonitor, heapMonitor],
        actions: [
          {
            name: action("stop_accepting_requests"),
            triggers: [from(1, second), between(0.2, 0.6)],
          },
        ],
      }),
    },
    prepare: calm,
    run: async (t) => {
      const name = `overload.${action("stop_accepting_requests")}`;
      await t.stats({ [`${name}.active`]: 1, [`${name}.scale_percent`]: 100 });
      await press(t, 0.3);
      await t.stats({ [`${name}.active`]: 0, [`${name}.scale_percent`]: 25 });
      for (let i = 0; i < 20; i++) assert.equal((await t.get("/")).status, 503);
      // A percentage of one byte.
      assert.ok(((await t.stat(`overload.${second}.pressure`)) ?? 0) > 100_000_000);
    },
  },
  {
    name: "with two workers both know",
    config: http(hello),
    own: {
      arguments: ["--concurrency", "2"],
      bootstrap: overload({ actions: [triggered(action("stop_accepting_requests"))] }),
    },
    prepare: calm,
    run: async (t) => {
      await saturate(t, action("stop_accepting_requests"));
      const both = ["worker_0", "worker_1"].map((worker) => `listener.{case}.${worker}`);
      // The kernel chooses the worker.
      await t.eventually(async () => {
        assert.equal((await t.get("/")).status, 503);
        for (const worker of both)
          assert.ok(((await t.stat(`${worker}.downstream_cx_total`)) ?? 0) > 0);
      });
      await press(t, 0);
      await t.eventually(async () => {
        for (let i = 0; i < 20; i++) assert.equal((await t.get("/")).status, 200);
      });
    },
  },
];

/** Configurations that neither takes, and what both say of them. */
const refused: readonly (readonly [string, JsonObject, RegExp])[] = [
  [
    "a trigger on a monitor that is not there",
    { actions: [triggered(action("stop_accepting_requests"), from(1, "x"))] },
    /Unknown trigger resource x for overload action envoy.overload_actions.stop_accepting_req/,
  ],
  [
    "reset_high_memory_stream, which Envoy wants buffer_factory_config for",
    { actions: [triggered(action("reset_high_memory_stream"))] },
    /reset_high_memory_stream/,
  ],
];

const refusals: readonly ParityCase[] = refused.map(([name, parts, message]) => ({
  name: `refuses ${name}`,
  config: http(hello),
  own: { start: false, bootstrap: overload(parts) },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.notEqual(code, 0);
    assert.match(output, message);
  },
}));

parityArea("overload", [...requests, ...timeouts, ...monitors, ...refusals], { concurrency: 3 });
