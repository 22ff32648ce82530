import assert from "node:assert/strict";
import { echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { type CaseConfig, http, type JsonObject, listener } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { echoing, filter, toEcho } from "./harness/listener-filters.ts";

const limit = (config: JsonObject): JsonObject =>
  filter("local_ratelimit", "LocalRateLimit", {
    stat_prefix: "{case}",
    token_bucket: { max_tokens: 2, fill_interval: "3600s" },
    ...config,
  });
const limited = (config: JsonObject = {}): CaseConfig =>
  echoing([limit(config)], "%RESPONSE_FLAGS% %BYTES_RECEIVED%");
const refusedStat = "listener_local_ratelimit.{case}.rate_limited";

/** Whether a new connection of the listener is served. */
async function isServed(t: CaseContext, name?: string): Promise<boolean> {
  const client = await t.connect(name);
  await client.write("x");
  const outcome = await client.until("an echo or the end", (wire) =>
    wire.unread === "x" ? "served" : wire.state === "open" ? undefined : "refused",
  );
  client.end();
  return outcome === "served";
}

async function served(t: CaseContext, count: number): Promise<readonly boolean[]> {
  const found: boolean[] = [];
  for (let i = 0; i < count; i++) found.push(await isServed(t));
  return found;
}

const cases: readonly ParityCase[] = [
  {
    name: "a connection costs a token; without one it is closed",
    config: limited(),
    upstream: echo(),
    run: async (t) => {
      assert.deepEqual(await served(t, 4), [true, true, false, false]);
      await t.stats({ [refusedStat]: 2, "listener.{case}.downstream_cx_total": 2 });
      // The listener logs those it closed, too.
      assert.deepEqual([...(await t.log(4))].sort(), ["- 0", "- 0", "- 1", "- 1"]);
    },
  },
  {
    name: "tokens come back",
    config: limited({ token_bucket: { max_tokens: 1, fill_interval: "0.5s" } }),
    upstream: echo(),
    run: async (t) => {
      const until = async (wanted: boolean): Promise<void> =>
        t.eventually(async () => assert.equal(await isServed(t), wanted));
      await until(false);
      await until(true);
      await until(false);
    },
  },
  {
    name: "the runtime switches it off",
    config: limited({ runtime_enabled: { default_value: true, runtime_key: "test.off" } }),
    upstream: echo(),
    run: async (t) => {
      assert.deepEqual(await served(t, 4), [true, true, true, true]);
      await t.stats({ [refusedStat]: 0 });
    },
  },
  {
    name: "no tokens: nobody is served, and nothing reaches the upstream",
    config: limited({ token_bucket: { max_tokens: 0, fill_interval: "3600s" } }),
    upstream: echo(),
    run: async (t) => {
      assert.deepEqual(await served(t, 2), [false, false]);
      assert.equal(t.upstream().connections.length, 0);
    },
  },
  {
    name: "each listener has its own bucket",
    config: {
      listeners: [
        listener([toEcho], { listener_filters: [limit({})] }),
        listener([toEcho], { listener_filters: [limit({})] }, "other"),
      ],
    },
    upstream: echo(),
    run: async (t) => {
      assert.deepEqual(await served(t, 3), [true, true, false]);
      assert.equal(await isServed(t, "other"), true);
    },
  },
  {
    name: "filter_disabled",
    config: {
      listeners: [
        listener([toEcho], {
          listener_filters: [{ ...limit({}), filter_disabled: { any_match: true } }],
        }),
      ],
    },
    upstream: echo(),
    run: async (t) => assert.deepEqual(await served(t, 3), [true, true, true]),
  },
  {
    name: "refuses a fill interval below 50 ms",
    config: http({
      listener: {
        listener_filters: [limit({ token_bucket: { max_tokens: 1, fill_interval: "0.04s" } })],
      },
    }),
    upstream: echo(),
    own: { start: false },
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1);
      assert.match(output, />= 50ms/);
    },
  },
];

parityArea("listener-local-ratelimit", cases, {
  bootstrap: {
    layered_runtime: { layers: [{ name: "static", static_layer: { "test.off": false } }] },
  },
});
