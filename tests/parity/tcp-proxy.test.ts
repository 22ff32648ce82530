import assert from "node:assert/strict";
import { byHand, echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster } from "./harness/config.ts";
import { nowhere, proxying, says } from "./harness/tcp-proxy.ts";

const clusters: readonly ParityCase[] = [
  {
    name: "bytes go both ways, and are counted",
    config: proxying(),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      await t.stats({
        "tcp.{case}.downstream_cx_total": 1,
        "cluster.{case}-main.upstream_cx_active": 1,
      });
      client.end();
      assert.equal(await client.ended(), "half-closed");
      assert.equal(await t.logLine(), `- - - - 5 5 1 ${t.id}-main`);
      await t.stats({
        "tcp.{case}.downstream_cx_rx_bytes_total": 5,
        "tcp.{case}.downstream_cx_tx_bytes_total": 5,
        "tcp.{case}.downstream_cx_no_route": 0,
        "tcp.{case}.downstream_flow_control_paused_reading_total": 0,
        "tcp.{case}.downstream_flow_control_resumed_reading_total": 0,
        "tcp.{case}.idle_timeout": 0,
        "tcp.{case}.max_downstream_connection_duration": 0,
        "tcp.{case}.upstream_flush_active": 0,
        "tcp.{case}.upstream_flush_total": 0,
        "cluster.{case}-main.upstream_cx_total": 1,
        "cluster.{case}-main.upstream_cx_active": 0,
        "cluster.{case}-main.upstream_cx_tx_bytes_total": 5,
        "cluster.{case}-main.upstream_cx_rx_bytes_total": 5,
        "cluster.{case}-main.upstream_cx_destroy_remote": 1,
        "cluster.{case}-main.upstream_rq_total": 1,
        "cluster.{case}-main.upstream_rq_active": 0,
        "cluster.{case}-main.upstream_rq_pending_total": 1,
        "cluster.{case}-main.upstream_rq_pending_active": 0,
      });
    },
  },
  {
    name: "the upstream may speak first",
    config: proxying(),
    upstream: says("220 ready\r\n"),
    run: async (t) => {
      await (await t.connect()).readThrough("220 ready\r\n");
    },
  },
  {
    name: "megabytes in both directions",
    config: proxying(),
    upstream: echo(),
    run: async (t) => {
      const size = 8 << 20;
      const client = await t.connect();
      const sent = client.write("x".repeat(size));
      await client.until("everything", ({ received }) => received.length === size || undefined);
      await sent;
      client.end();
      await t.logLine();
      await t.stats({ "tcp.{case}.downstream_cx_rx_bytes_total": size });
    },
  },
  {
    name: "weighted_clusters take their share",
    config: proxying({
      weighted_clusters: {
        clusters: [
          { name: "{case}-one", weight: 1 },
          { name: "{case}-two", weight: 1 },
        ],
      },
    }),
    upstreams: { one: says("1"), two: says("2") },
    run: async (t) => {
      const answers = new Set<string>();
      for (let i = 0; i < 40; i++) {
        const client = await t.connect();
        answers.add(await client.until("answer", ({ received }) => received || undefined));
        client.close();
      }
      assert.deepEqual([...answers].sort(), ["1", "2"]);
    },
  },
  {
    name: "a weighted cluster of all the weight takes everything",
    config: proxying({
      weighted_clusters: { clusters: [{ name: "{case}-one", weight: 4_000_000_000 }] },
    }),
    upstreams: { one: says("1") },
    run: async (t) => {
      await (await t.connect()).readThrough("1");
    },
  },
  {
    name: "a cluster that is not there",
    config: proxying({ cluster: "{case}-nobody" }),
    run: async (t) => {
      const client = await t.connect();
      await client.ended();
      assert.equal(await t.logLine(), "NC - - - 0 0 0 -");
      await t.stats({ "tcp.{case}.downstream_cx_no_route": 1 });
    },
  },
];

const failures: readonly ParityCase[] = [
  {
    name: "a cluster without hosts",
    config: proxying({}, [
      cluster("main", { load_assignment: { cluster_name: "{case}-main", endpoints: [] } }),
    ]),
    run: async (t) => {
      await (await t.connect()).ended();
      assert.equal(await t.logLine(), `UH - - - 0 0 0 ${t.id}-main`);
      await t.stats({ "cluster.{case}-main.upstream_cx_none_healthy": 1 });
    },
  },
  {
    name: "a refused connection",
    config: proxying({}, [nowhere()]),
    run: async (t) => {
      await (await t.connect()).ended();
      assert.equal(
        await t.logLine(),
        `UF,URX - - delayed_connect_error:_Connection_refused 0 0 1 ${t.id}-main`,
      );
      await t.stats({
        "cluster.{case}-main.upstream_cx_connect_fail": 1,
        "cluster.{case}-main.upstream_cx_connect_attempts_exceeded": 1,
        "cluster.{case}-main.upstream_cx_total": 1,
        "cluster.{case}-main.upstream_cx_active": 0,
      });
    },
  },
  {
    name: "max_connect_attempts tries again",
    config: proxying({ max_connect_attempts: 3 }, [nowhere()]),
    run: async (t) => {
      await (await t.connect()).ended();
      assert.equal(
        await t.logLine(),
        `UF,URX - - delayed_connect_error:_Connection_refused 0 0 3 ${t.id}-main`,
      );
      await t.stats({
        "cluster.{case}-main.upstream_cx_connect_fail": 3,
        "cluster.{case}-main.upstream_cx_connect_attempts_exceeded": 1,
      });
    },
  },
  {
    name: "backoff_options wait between attempts",
    config: proxying(
      {
        max_connect_attempts: 4,
        backoff_options: { base_interval: "0.01s", max_interval: "0.02s" },
      },
      [nowhere()],
    ),
    run: async (t) => {
      await (await t.connect()).ended();
      await t.stats({ "cluster.{case}-main.upstream_cx_connect_fail": 4 });
    },
  },
  {
    name: "max_connect_attempts finds the host that works",
    config: proxying({ max_connect_attempts: 4 }, [
      cluster("main", {
        load_assignment: {
          cluster_name: "{case}-main",
          endpoints: [
            {
              lb_endpoints: [1, 2, "{port:main}"].map((port_value) => ({
                endpoint: { address: { socket_address: { address: "127.0.0.1", port_value } } },
              })),
            },
          ],
        },
      }),
    ]),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      assert.match(await t.logLine(), /^(-|UF) - - .* 5 5 [123] /);
      await t.stats({ "cluster.{case}-main.upstream_cx_connect_attempts_exceeded": 0 });
    },
  },
  {
    name: "circuit breakers: no connection left",
    config: proxying({}, [
      cluster("main", { circuit_breakers: { thresholds: [{ max_connections: 0 }] } }),
    ]),
    upstream: echo(),
    run: async (t) => {
      await (await t.connect()).ended();
      assert.equal(await t.logLine(), `UO - - - 0 0 0 ${t.id}-main`);
      await t.stats({ "cluster.{case}-main.upstream_cx_overflow": 1 });
    },
  },
  {
    name: "the upstream resets",
    config: proxying(),
    upstream: async (connection) => {
      await connection.readThrough("hello");
      connection.reset();
    },
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      assert.equal(await client.ended(), "reset");
      assert.equal(await t.logLine(), `UR - - - 5 0 1 ${t.id}-main`);
      await t.stats({
        "cluster.{case}-main.upstream_cx_destroy_remote": 1,
        "cluster.{case}-main.upstream_cx_destroy_remote_with_active_rq": 1,
        "cluster.{case}-main.upstream_cx_destroy_with_active_rq": 1,
        "cluster.{case}-main.upstream_cx_destroy_local": 0,
      });
    },
  },
  {
    name: "the client resets",
    config: proxying(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      const upstream = await t.upstream().connection();
      await upstream.readThrough("hello");
      client.reset();
      assert.equal(await upstream.ended(), "reset");
      assert.equal(await t.logLine(), `- - - - 5 0 1 ${t.id}-main`);
      await t.stats({
        "cluster.{case}-main.upstream_cx_destroy_local": 1,
        "cluster.{case}-main.upstream_cx_destroy_local_with_active_rq": 1,
      });
    },
  },
];

parityArea("tcp-proxy", [...clusters, ...failures]);
