import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, http, route } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";

const config = http({ routes: [route({ prefix: "/" }, direct("ok"))] });
const inbound = http({
  routes: [route({ prefix: "/" }, direct("ok"))],
  listener: { traffic_direction: "INBOUND" },
});
const get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/** Draining for so long that no answer is told by chance, or at once. */
const slowly = { arguments: ["--drain-time-s", "1000000"] };
const atOnce = { arguments: ["--drain-time-s", "1000000", "--drain-strategy", "immediate"] };

async function isRefused(t: CaseContext): Promise<void> {
  await t.eventually(async () => {
    await assert.rejects(t.connect(), /ECONNREFUSED/);
  });
}

const cases: readonly ParityCase[] = [
  {
    name: "/drain_listeners closes the port, and connections go on for the drain time",
    config,
    own: slowly,
    run: async (t) => {
      const client = await t.connect();
      await client.exchange(get);
      assert.equal((await t.admin("/drain_listeners", "POST")).body, "OK\n");
      await isRefused(t);
      assert.equal((await client.exchange(get)).header("connection"), undefined);
    },
  },
  {
    name: "--drain-strategy immediate: every answer ends its connection",
    config,
    own: atOnce,
    run: async (t) => {
      const client = await t.connect();
      await client.exchange(get);
      await t.admin("/drain_listeners", "POST");
      await isRefused(t);
      assert.equal((await client.exchange(get)).header("connection"), "close");
    },
  },
  {
    name: "/drain_listeners?graceful takes connections during the drain time",
    config,
    own: atOnce,
    run: async (t) => {
      await t.admin("/drain_listeners?graceful", "POST");
      await t.eventually(async () => {
        const client = await t.connect();
        assert.equal((await client.exchange(get)).header("connection"), "close");
      });
    },
  },
  {
    name: "/drain_listeners?graceful closes the port after the drain time, whatever is connected",
    config,
    own: { arguments: ["--drain-time-s", "1"] },
    run: async (t) => {
      const client = await t.connect();
      await client.exchange(get);
      await t.admin("/drain_listeners?graceful", "POST");
      await isRefused(t);
      // Only now does the worker's own drain time end: until then an answer may still be without it.
      await t.eventually(async () => {
        assert.equal((await client.exchange(get)).header("connection"), "close");
      });
      await t.stats({ "http.{case}.downstream_cx_drain_close": 1 });
    },
  },
  {
    name: "/drain_listeners?inboundonly leaves other listeners alone",
    config,
    own: atOnce,
    run: async (t) => {
      await t.admin("/drain_listeners?inboundonly", "POST");
      const client = await t.connect();
      assert.equal((await client.exchange(get)).header("connection"), undefined);
    },
  },
  {
    name: "/drain_listeners?inboundonly drains an inbound listener",
    config: inbound,
    own: atOnce,
    run: async (t) => {
      const client = await t.connect();
      await client.exchange(get);
      await t.admin("/drain_listeners?inboundonly", "POST");
      await isRefused(t);
      assert.equal((await client.exchange(get)).header("connection"), "close");
    },
  },
];

parityArea("drain", cases);
