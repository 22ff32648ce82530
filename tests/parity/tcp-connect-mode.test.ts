import assert from "node:assert/strict";
import { byHand, echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import type { CaseConfig, JsonObject } from "./harness/config.ts";
import { proxying } from "./harness/tcp-proxy.ts";

const onData = (maxEarlyDataBytes = 1000, more: JsonObject = {}): CaseConfig =>
  proxying({
    upstream_connect_mode: "ON_DOWNSTREAM_DATA",
    max_early_data_bytes: maxEarlyDataBytes,
    ...more,
  });

const cases: readonly ParityCase[] = [
  {
    name: "ON_DOWNSTREAM_DATA connects when the client speaks",
    config: onData(),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await t.stats({ "tcp.{case}.downstream_cx_total": 1 });
      await t.stats({ "cluster.{case}-main.upstream_cx_total": 0 });
      await client.write("hello");
      await client.readThrough("hello");
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 1,
        "tcp.{case}.early_data_received_count_total": 1,
      });
      await client.write("again");
      await client.readThrough("again");
      client.end();
      assert.match(await t.logLine(), /^- - - - 10 10 1 /);
    },
  },
  {
    name: "ON_DOWNSTREAM_DATA: more early data than the limit arrives too",
    config: onData(10),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      const size = 1 << 20;
      client.socket.write(Buffer.alloc(size, "x"));
      await client.until("everything", ({ received }) => received.length === size || undefined);
    },
  },
  {
    name: "ON_DOWNSTREAM_DATA: data and FIN at once",
    config: onData(),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      client.end();
      await client.readThrough("hello");
      assert.equal(await client.ended(), "half-closed");
    },
  },
  {
    name: "ON_DOWNSTREAM_DATA: the idle timeout runs before the first byte",
    config: onData(1000, { idle_timeout: "0.1s" }),
    upstream: byHand(),
    run: async (t) => {
      await (await t.connect()).ended();
      await t.stats({ "tcp.{case}.idle_timeout": 1, "cluster.{case}-main.upstream_cx_total": 0 });
    },
  },
  {
    name: "ON_DOWNSTREAM_TLS_HANDSHAKE without TLS connects at once",
    config: proxying({
      upstream_connect_mode: "ON_DOWNSTREAM_TLS_HANDSHAKE",
      max_early_data_bytes: 1000,
    }),
    upstream: async (connection) => {
      await connection.write("first");
    },
    run: async (t) => {
      await (await t.connect()).readThrough("first");
    },
  },
  {
    name: "IMMEDIATE with early data",
    config: proxying({ max_early_data_bytes: 1000 }),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      assert.equal(await client.ended(), "half-closed");
    },
  },
  {
    name: "a mode that waits needs room for early data",
    config: proxying({ upstream_connect_mode: "ON_DOWNSTREAM_DATA" }),
    upstream: echo(),
    own: { start: false },
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1, output);
      assert.match(output, /max_early_data_bytes/);
    },
  },
];

parityArea("tcp-connect-mode", cases);
