import assert from "node:assert/strict";
import type { RawClient } from "../../testkit/raw-client.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  connectionManager,
  direct,
  http,
  type JsonObject,
  listener,
  route,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import {
  action,
  calm,
  connections,
  connectionsMonitor,
  from,
  injectedMonitor,
  overload,
  press,
  saturate,
  shedPoint,
  triggered,
} from "./harness/overload.ts";

const hello = { routes: [route({ prefix: "/" }, direct("ok"))] };

/** The listener `main`, and `free`, which is exempt from something. */
const two = (exempt: JsonObject): CaseConfig => ({
  listeners: [
    listener([connectionManager(hello)]),
    listener([connectionManager(hello)], exempt, "free"),
  ],
});

const serves = async (client: RawClient): Promise<void> => {
  assert.equal((await client.exchange(get("/"))).status, 200);
};

/** Closed at once, with what it sent unread or not. */
const isClosed = async (t: CaseContext, name = "main"): Promise<void> => {
  const client = await t.connect(name);
  await client.ended();
  assert.equal(client.received, "");
};

/** With a second monitor: for connections alone Envoy never looks. */
const limitedTo = (max: number, actions: readonly JsonObject[] = []): JsonObject =>
  overload({ resource_monitors: [connectionsMonitor(max), injectedMonitor], actions });

const limitKey = (name: string): string =>
  `envoy.resource_limits.listener.${name}.connection_limit`;

const runtime = (values: JsonObject): JsonObject => ({
  layered_runtime: { layers: [{ name: "limits", static_layer: values }] },
});

const refusals: readonly ParityCase[] = [
  {
    name: "reject_incoming_connections closes what it accepts, and what is open goes on",
    config: http(hello),
    own: { bootstrap: overload({ actions: [triggered(action("reject_incoming_connections"))] }) },
    prepare: calm,
    run: async (t) => {
      const old = await t.connect();
      await serves(old);
      await saturate(t, action("reject_incoming_connections"));
      await isClosed(t);
      await serves(old);
      await t.stats({
        "listener.{case}.downstream_cx_overload_reject": 1,
        "listener.{case}.downstream_cx_total": 1,
        "listener.{case}.downstream_pre_cx_active": 0,
      });
      await press(t, 0);
      await serves(await t.connect());
    },
  },
  {
    name: "tcp_listener_accept sheds connections",
    config: http(hello),
    own: {
      bootstrap: overload({ loadshed_points: [triggered(shedPoint("tcp_listener_accept"))] }),
    },
    prepare: calm,
    run: async (t) => {
      await saturate(t, shedPoint("tcp_listener_accept"));
      await isClosed(t);
      await t.stats({
        "listener.{case}.downstream_cx_overload_reject": 1,
        "listener.{case}.downstream_cx_total": 0,
        [`overload.${shedPoint("tcp_listener_accept")}.shed_load_count`]: 1,
      });
    },
  },
  {
    name: "bypass_overload_manager: nothing of it holds for the listener",
    config: two({ bypass_overload_manager: true }),
    own: {
      bootstrap: overload({
        actions: [
          triggered(action("stop_accepting_requests")),
          triggered(action("disable_http_keepalive")),
          triggered(action("reject_incoming_connections")),
          triggered(action("stop_accepting_connections"), from(0.95)),
        ],
      }),
    },
    prepare: calm,
    run: async (t) => {
      await saturate(t, action("reject_incoming_connections"), 0.92);
      await isClosed(t);
      await serves(await t.connect("free"));
      await saturate(t, action("stop_accepting_connections"), 1);
      const got = await (await t.connect("free")).exchange(get("/"));
      assert.deepEqual([got.status, got.header("connection")], [200, undefined]);
    },
  },
];

const pauses: readonly ParityCase[] = [
  {
    name: "stop_accepting_connections: clients wait in the kernel until the pressure has gone",
    config: http(hello),
    own: { bootstrap: overload({ actions: [triggered(action("stop_accepting_connections"))] }) },
    prepare: calm,
    run: async (t) => {
      const old = await t.connect();
      await serves(old);
      for (let round = 1; round <= 2; round++) {
        await saturate(t, action("stop_accepting_connections"));
        const client = await t.connect();
        await client.write(get("/"));
        for (let i = 0; i < 10; i++) await serves(old);
        await t.stats({ "listener.{case}.downstream_cx_total": round });
        assert.equal(client.received, "");
        await press(t, 0);
        assert.equal((await client.response()).status, 200);
      }
    },
  },
  {
    name: "stop_accepting_connections: on a Unix socket too",
    config: http({ ...hello, listener: { address: { pipe: { path: "{folder}/socket" } } } }),
    own: { bootstrap: overload({ actions: [triggered(action("stop_accepting_connections"))] }) },
    prepare: calm,
    run: async (t) => {
      for (let round = 0; round < 2; round++) {
        await saturate(t, action("stop_accepting_connections"));
        const client = await t.connect();
        await client.write(get("/"));
        await t.stats({ "listener.{case}.downstream_cx_total": round });
        await press(t, 0);
        assert.equal((await client.response()).status, 200);
      }
    },
  },
  {
    name: "stop_accepting_connections waits for the last of the way",
    config: http(hello),
    own: {
      bootstrap: overload({
        actions: [
          triggered(action("stop_accepting_connections"), {
            ...from(0),
            threshold: undefined,
            scaled: { scaling_threshold: 0.1, saturation_threshold: 0.9 },
          }),
        ],
      }),
    },
    prepare: calm,
    run: async (t) => {
      await press(t, 0.89);
      await t.stats({ [`overload.${action("stop_accepting_connections")}.active`]: 0 });
      await serves(await t.connect());
    },
  },
];

/** The limit of one is used up; a connection past it comes and goes. */
async function closeIgnored(t: CaseContext): Promise<void> {
  await serves(await t.connect());
  const ignored = await t.connect("free");
  await serves(ignored);
  ignored.close();
  await t.stats({ "listener.{case}-free.downstream_cx_active": 0 });
}

const limits: readonly ParityCase[] = [
  {
    name: "global_downstream_max_connections is exact",
    config: two({}),
    own: { bootstrap: limitedTo(2) },
    prepare: calm,
    run: async (t) => {
      const first = await t.connect();
      await serves(first);
      await serves(await t.connect("free"));
      await isClosed(t);
      await isClosed(t, "free");
      await t.stats({
        "listener.{case}.downstream_global_cx_overflow": 1,
        "listener.{case}-free.downstream_global_cx_overflow": 1,
        "listener.{case}.downstream_cx_total": 1,
        [`overload.${connections}.pressure`]: 100,
        [`overload.${connections}.failed_updates`]: 2,
      });
      first.close();
      await t.stats({ "listener.{case}.downstream_cx_active": 0 });
      await serves(await t.connect());
      await isClosed(t);
    },
  },
  {
    name: "global_downstream_max_connections over two workers",
    config: http(hello),
    own: { arguments: ["--concurrency", "2"], bootstrap: limitedTo(10) },
    prepare: calm,
    run: async (t) => {
      const clients = await Promise.all(Array.from({ length: 30 }, () => t.connect()));
      await t.stats({
        "listener.{case}.downstream_cx_active": 10,
        "listener.{case}.downstream_global_cx_overflow": 20,
      });
      for (const client of clients) client.close();
      await t.stats({ "listener.{case}.downstream_cx_active": 0 });
      await Promise.all(Array.from({ length: 30 }, () => t.connect()));
      await t.stats({
        "listener.{case}.downstream_cx_active": 10,
        "listener.{case}.downstream_global_cx_overflow": 40,
      });
    },
  },
  {
    name: "ignore_global_conn_limit lets connections past the limit",
    config: two({ ignore_global_conn_limit: true }),
    own: { bootstrap: limitedTo(1) },
    prepare: calm,
    run: async (t) => {
      await serves(await t.connect());
      await isClosed(t);
      await serves(await t.connect("free"));
      await serves(await t.connect("free"));
      await isClosed(t);
    },
  },
  {
    name: "what ignore_global_conn_limit has let in leaves the count alone when it closes",
    config: two({ ignore_global_conn_limit: true }),
    own: { bootstrap: limitedTo(1) },
    prepare: calm,
    run: async (t) => {
      await closeIgnored(t);
      await serves(await t.connect());
    },
    heddle: {
      difference: "Connections past the global limit are not in its count",
      run: async (t) => {
        await closeIgnored(t);
        await isClosed(t);
      },
    },
  },
  {
    name: "the number of connections triggers actions",
    config: http(hello),
    own: {
      bootstrap: limitedTo(4, [
        triggered(action("stop_accepting_requests"), from(0.75, connections)),
      ]),
    },
    prepare: calm,
    run: async (t) => {
      const clients = [await t.connect(), await t.connect()];
      await t.stats({ [`overload.${connections}.pressure`]: 50 });
      for (const client of clients) await serves(client);
      const third = await t.connect();
      await t.stats({ [`overload.${connections}.pressure`]: 75 });
      assert.equal((await third.exchange(get("/"))).status, 503);
      third.close();
      await t.stats({ [`overload.${connections}.pressure`]: 50 });
      for (const client of clients) await serves(client);
    },
  },
  {
    name: "runtime overload.global_downstream_max_connections limits without a monitor",
    config: http(hello),
    own: {
      bootstrap: {
        layered_runtime: { layers: [{ name: "admin", admin_layer: {} }] },
      },
    },
    run: async (t) => {
      const old = await t.connect();
      await serves(old);
      // After this Envoy's own admin port is over the limit too.
      await t.admin("/runtime_modify?overload.global_downstream_max_connections=0", "POST");
      await t.eventually(() => isClosed(t));
      await serves(old);
    },
  },
  {
    name: "runtime connection_limit of a listener, over two workers",
    config: two({}),
    own: {
      arguments: ["--concurrency", "2"],
      bootstrap: runtime({ [limitKey("{case}-main")]: 3 }),
    },
    run: async (t) => {
      const clients = await Promise.all(Array.from({ length: 10 }, () => t.connect()));
      await t.stats({
        "listener.{case}.downstream_cx_active": 3,
        "listener.{case}.downstream_cx_overflow": 7,
      });
      await serves(await t.connect("free"));
      for (const client of clients) client.close();
      await t.stats({ "listener.{case}.downstream_cx_active": 0 });
      await serves(await t.connect());
    },
  },
];

parityArea("overload-connections", [...refusals, ...pauses, ...limits], { concurrency: 3 });
