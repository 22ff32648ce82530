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
  between,
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
    name: "tcp_listener_accept and reject_incoming_connections close what is accepted, and what is open goes on",
    config: http(hello),
    own: {
      bootstrap: overload({
        loadshed_points: [triggered(shedPoint("tcp_listener_accept"), from(0.5))],
        actions: [triggered(action("reject_incoming_connections"), from(0.9))],
      }),
    },
    prepare: calm,
    run: async (t) => {
      const old = await t.connect();
      await serves(old);
      await saturate(t, shedPoint("tcp_listener_accept"), 0.5);
      await isClosed(t);
      await t.stats({
        "listener.{case}.downstream_cx_overload_reject": 1,
        [`overload.${shedPoint("tcp_listener_accept")}.shed_load_count`]: 1,
        [`overload.${action("reject_incoming_connections")}.active`]: 0,
      });
      await saturate(t, action("reject_incoming_connections"), 0.9);
      await isClosed(t);
      await serves(old);
      await t.stats({
        "listener.{case}.downstream_cx_overload_reject": 2,
        "listener.{case}.downstream_cx_total": 1,
        "listener.{case}.downstream_pre_cx_active": 0,
      });
      await press(t, 0);
      await serves(await t.connect());
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
    name: "stop_accepting_connections: when saturated, clients wait in the kernel until that has gone",
    config: {
      listeners: [
        listener([connectionManager(hello)]),
        listener(
          [connectionManager(hello)],
          { address: { pipe: { path: "{folder}/socket" } } },
          "pipe",
        ),
      ],
    },
    own: {
      bootstrap: overload({
        actions: [triggered(action("stop_accepting_connections"), between(0.1, 0.9))],
      }),
    },
    prepare: calm,
    run: async (t) => {
      const old = await t.connect();
      await serves(old);
      for (let round = 0; round < 2; round++) {
        await press(t, 0.89);
        await serves(await t.connect());
        await serves(await t.connect("pipe"));
        await saturate(t, action("stop_accepting_connections"));
        const clients = [await t.connect(), await t.connect("pipe")];
        for (const client of clients) await client.write(get("/"));
        for (let i = 0; i < 10; i++) await serves(old);
        await t.stats({
          "listener.{case}.downstream_cx_total": 2 + 2 * round,
          "listener.{case}-pipe.downstream_cx_total": 1 + 2 * round,
        });
        await press(t, 0);
        for (const client of clients) assert.equal((await client.response()).status, 200);
      }
    },
  },
];

/** The limit of one is used up; a connection past it comes and goes. */
async function closeIgnored(t: CaseContext): Promise<void> {
  await serves(await t.connect());
  await isClosed(t);
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
    name: "ignore_global_conn_limit: past the limit, and what it has let in leaves the count alone when it closes",
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
