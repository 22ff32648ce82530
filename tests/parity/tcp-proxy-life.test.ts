import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { byHand, echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import { proxying } from "./harness/tcp-proxy.ts";

const times: readonly ParityCase[] = [
  {
    name: "idle_timeout closes both sides",
    config: proxying({ idle_timeout: "0.1s" }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const upstream = await t.upstream().connection();
      await client.ended();
      await upstream.ended();
      assert.equal(await t.logLine(), `- - - - 0 0 1 ${t.id}-main`);
      await t.stats({ "tcp.{case}.idle_timeout": 1, "cluster.{case}-main.upstream_cx_active": 0 });
    },
  },
  {
    name: "idle_timeout begins again with every byte",
    config: proxying({ idle_timeout: "0.3s" }),
    upstream: echo(),
    run: async (t) => {
      for (let attempt = 0; attempt < 10; attempt++) {
        const client = await t.connect();
        const begun = performance.now();
        let last = begun;
        let isLate = false;
        // Longer than the timeout in all, shorter between two bytes. A busy machine may not manage: then this attempt says nothing.
        while (!isLate && last - begun < 600) {
          await client.write("x");
          const isEchoed = await client.readThrough("x").then(
            () => true,
            () => false,
          );
          await new Promise((resolve) => setTimeout(resolve, 50));
          isLate = performance.now() - last > 250;
          assert.ok(isEchoed || isLate, "closed although bytes kept coming");
          last = performance.now();
        }
        if (isLate) continue;
        await client.ended();
        return;
      }
      assert.fail("ten times the machine was too slow");
    },
  },
  {
    name: "idle_timeout counts from the beginning, before the upstream is there",
    config: proxying({ idle_timeout: "0.1s" }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.ended();
      await t.stats({ "tcp.{case}.idle_timeout": 1 });
    },
  },
  {
    name: "max_downstream_connection_duration",
    config: proxying({ max_downstream_connection_duration: "0.1s" }),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("x");
      await client.readThrough("x");
      await client.ended();
      assert.equal(await t.logLine(), `DT - - - 1 1 1 ${t.id}-main`);
      await t.stats({
        "tcp.{case}.max_downstream_connection_duration": 1,
        "tcp.{case}.idle_timeout": 0,
      });
    },
  },
];

const halves: readonly ParityCase[] = [
  {
    name: "the client's FIN goes on, and the upstream may still answer",
    config: proxying(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("question");
      client.end();
      const upstream = await t.upstream().connection();
      await upstream.readThrough("question");
      assert.equal(await upstream.ended(), "half-closed");
      await upstream.write("answer");
      await client.readThrough("answer");
      await t.stats({ "cluster.{case}-main.upstream_cx_active": 1 });
      upstream.end();
      assert.equal(await client.ended(), "half-closed");
      assert.equal(await t.logLine(), `- - - - 8 6 1 ${t.id}-main`);
      await t.stats({ "cluster.{case}-main.upstream_cx_destroy_remote": 1 });
    },
  },
  {
    name: "the upstream's FIN goes on, and the client may still send",
    config: proxying(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const upstream = await t.upstream().connection();
      await upstream.write("banner");
      upstream.end();
      await client.readThrough("banner");
      assert.equal(await client.ended(), "half-closed");
      await client.write("more");
      await upstream.readThrough("more");
      client.end();
      assert.equal(await upstream.ended(), "half-closed");
      assert.equal(await t.logLine(), `- - - - 4 6 1 ${t.id}-main`);
      await t.stats({ "cluster.{case}-main.upstream_cx_destroy_local": 1 });
    },
  },
  {
    name: "what the client sends with its FIN, before the upstream is there, arrives",
    config: proxying(),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("early");
      client.end();
      await client.readThrough("early");
      await client.ended();
    },
  },
  {
    name: "a client that goes at once leaves nothing behind",
    config: proxying(),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      client.close();
      assert.match(await t.logLine(), /^- - - - 0 0 [01] /);
      await t.stats({
        "cluster.{case}-main.upstream_cx_active": 0,
        "cluster.{case}-main.upstream_rq_pending_active": 0,
        "listener.{case}.downstream_cx_active": 0,
      });
    },
  },
];

const logs: readonly ParityCase[] = [
  {
    name: "flush_access_log_on_connected writes a line when the upstream is there",
    config: proxying(
      { access_log_options: { flush_access_log_on_connected: true } },
      [],
      "%ACCESS_LOG_TYPE% %BYTES_RECEIVED% %UPSTREAM_CLUSTER%",
    ),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      assert.deepEqual(await t.log(1), [`TcpUpstreamConnected 0 ${t.id}-main`]);
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      assert.deepEqual((await t.log(2))[1], `TcpConnectionEnd 5 ${t.id}-main`);
    },
  },
  {
    name: "access_log_flush_interval writes a line now and then",
    config: proxying(
      { access_log_options: { access_log_flush_interval: "0.05s" } },
      [],
      "%ACCESS_LOG_TYPE% %BYTES_RECEIVED% %DURATION%",
    ),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      // Those before may not have seen the bytes yet.
      const before = readFileSync(t.fill("{log}"), "utf8").split("\n").length;
      const lines = await t.log(before + 2);
      for (const line of lines.slice(before)) assert.match(line, /^TcpPeriodic 5 (\d+|-)$/);
      client.end();
      await t.eventually(async () => {
        assert.match((await t.log()).at(-1) ?? "", /^TcpConnectionEnd 5 \d+$/);
      });
    },
  },
];

const refused = (name: string, config: JsonObject, reason: RegExp): ParityCase => ({
  name,
  config: proxying(config),
  upstream: echo(),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, reason);
  },
});

const refusals: readonly ParityCase[] = [
  refused(
    "weights of zero are refused",
    { weighted_clusters: { clusters: [{ name: "a", weight: 0 }] } },
    /[wW]eight/,
  ),
  refused("no weighted cluster is refused", { weighted_clusters: { clusters: [] } }, /[cC]lusters/),
  refused(
    "max_connect_attempts 0 is refused",
    { max_connect_attempts: 0 },
    /[mM]ax_?[cC]onnect_?[aA]ttempts/,
  ),
  refused(
    "a duration of zero is refused",
    { max_downstream_connection_duration: "0s" },
    /[mM]ax_?[dD]ownstream/,
  ),
  refused(
    "a backoff that shrinks is refused",
    { backoff_options: { base_interval: "1s", max_interval: "0.5s" } },
    /max_backoff_interval must be greater or equal to base_backoff_interval/,
  ),
  refused("an empty stat_prefix is refused", { stat_prefix: "" }, /[sS]tat_?[pP]refix/),
];

parityArea("tcp-proxy-life", [...times, ...halves, ...logs, ...refusals]);
