import assert from "node:assert/strict";
import { byHand } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { proxying } from "./harness/tcp-proxy.ts";

const flows: readonly ParityCase[] = [
  {
    name: "an upstream that does not read stops the client",
    config: proxying(),
    upstream: (connection) => {
      connection.socket.pause();
    },
    run: async (t) => {
      const client = await t.connect();
      const size = 32 << 20;
      client.socket.write(Buffer.alloc(size, "x"));
      await t.eventually(async () => {
        assert.ok(
          ((await t.stat("tcp.{case}.downstream_flow_control_paused_reading_total")) ?? 0) > 0,
        );
      });
      // What is under way is a few buffers, not everything.
      assert.ok(((await t.stat("tcp.{case}.downstream_cx_rx_bytes_total")) ?? size) < size / 2);
      const upstream = await t.upstream().connection();
      upstream.socket.resume();
      await upstream.until("everything", ({ received }) => received.length === size || undefined);
      assert.equal(
        await t.stat("tcp.{case}.downstream_flow_control_paused_reading_total"),
        await t.stat("tcp.{case}.downstream_flow_control_resumed_reading_total"),
      );
    },
  },
  {
    name: "a client that does not read stops the upstream",
    config: proxying(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      client.socket.pause();
      const upstream = await t.upstream().connection();
      const size = 32 << 20;
      upstream.socket.write(Buffer.alloc(size, "x"));
      await t.eventually(async () => {
        assert.ok(
          ((await t.stat("cluster.{case}-main.upstream_flow_control_paused_reading_total")) ?? 0) >
            0,
        );
      });
      assert.ok(((await t.stat("tcp.{case}.downstream_cx_tx_bytes_total")) ?? size) < size / 2);
      client.socket.resume();
      await client.until("everything", ({ received }) => received.length === size || undefined);
    },
  },
];

parityArea("tcp-proxy-flow", flows, { concurrency: 1 });
