import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { byHand, response, type Script } from "../../testkit/fake-upstream.ts";
import type { RawClient } from "../../testkit/raw-client.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { extension, http, type JsonObject } from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";

interface Parts {
  readonly limit?: JsonObject;
  readonly minRtt?: JsonObject;
  readonly gradient?: JsonObject;
  readonly more?: JsonObject;
}

/** Measures by one request, and lets one pass meanwhile. */
const adaptive = ({ limit, minRtt, gradient, more }: Parts = {}): JsonObject =>
  extension(
    "envoy.filters.http.adaptive_concurrency",
    "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
    {
      gradient_controller_config: {
        concurrency_limit_params: { concurrency_update_interval: "0.05s", ...limit },
        min_rtt_calc_params: { interval: "600s", request_count: 1, min_concurrency: 1, ...minRtt },
        ...gradient,
      },
      ...more,
    },
  );

const stat = (t: CaseContext, name: string): Promise<number | undefined> =>
  t.stat(`http.{case}.adaptive_concurrency.gradient_controller.${name}`);
const stats = (t: CaseContext, expected: Readonly<Record<string, number>>): Promise<void> =>
  t.stats(
    Object.fromEntries(
      Object.entries(expected).map(([name, value]) => [
        `http.{case}.adaptive_concurrency.gradient_controller.${name}`,
        value,
      ]),
    ),
  );

/** A request that the upstream has got, and leaves without answer. */
async function underWay(t: CaseContext, index = 0): Promise<RawClient> {
  const client = await t.connect();
  await client.write(get("/"));
  await (await t.upstream().connection(index)).requestHead();
  return client;
}

/** Takes as many milliseconds as the path says. */
const slow: Script = async (connection) => {
  for (
    let next = await connection.request();
    next !== undefined;
    next = await connection.request()
  ) {
    await delay(Number(next.startLine.split(" ")[1]?.slice(1)));
    await connection.write(response(200, "ok"));
  }
};

const refusing = (name: string, more: JsonObject, status: number): ParityCase => ({
  name,
  config: http({ filters: [adaptive({ more })] }),
  upstream: byHand(),
  run: async (t) => {
    await underWay(t);
    assert.equal((await t.get("/")).status, status);
  },
});

const limits: readonly ParityCase[] = [
  {
    name: "what is too much is refused",
    config: http({ filters: [adaptive({ minRtt: { min_concurrency: 2 } })] }),
    upstream: byHand(),
    run: async (t) => {
      await stats(t, { concurrency_limit: 2, min_rtt_calculation_active: 1, rq_blocked: 0 });
      await underWay(t);
      await underWay(t, 1);
      const { status, body, header } = await t.get("/");
      assert.deepEqual(
        [status, body, header("content-type")],
        [503, "reached concurrency limit", "text/plain"],
      );
      assert.equal(await t.logLine(), "503 - reached_concurrency_limit");
      await stats(t, { rq_blocked: 1 });
    },
  },
  {
    name: "three are let through while it measures, where nothing is said",
    config: http({
      filters: [adaptive({ minRtt: { min_concurrency: null, request_count: null } })],
    }),
    upstream: byHand(),
    run: (t) => stats(t, { concurrency_limit: 3, min_rtt_calculation_active: 1 }),
  },
  refusing(
    "concurrency_limit_exceeded_status",
    { concurrency_limit_exceeded_status: { code: "TooManyRequests" } },
    429,
  ),
  refusing(
    "a status that is no error is 503",
    { concurrency_limit_exceeded_status: { code: "OK" } },
    503,
  ),
  {
    name: "a request that is given up makes room, and is no sample",
    config: http({ filters: [adaptive()] }),
    upstream: byHand(),
    run: async (t) => {
      const client = await underWay(t);
      client.close();
      await t.log();
      await underWay(t, 1);
      await stats(t, { concurrency_limit: 1, min_rtt_calculation_active: 1, rq_blocked: 0 });
    },
  },
  {
    name: "enabled: false",
    config: http({
      filters: [adaptive({ more: { enabled: { default_value: false, runtime_key: "none" } } })],
    }),
    upstream: byHand(),
    run: async (t) => {
      await underWay(t);
      await underWay(t, 1);
      await stats(t, { rq_blocked: 0 });
    },
  },
  {
    name: "health checks are neither refused nor samples",
    config: http({
      filters: [
        extension(
          "envoy.filters.http.health_check",
          "envoy.extensions.filters.http.health_check.v3.HealthCheck",
          {
            pass_through_mode: true,
            headers: [{ name: ":path", string_match: { exact: "/0" } }],
          },
        ),
        adaptive(),
      ],
    }),
    upstream: slow,
    run: async (t) => {
      assert.equal((await t.get("/0")).status, 200);
      await stats(t, { min_rtt_calculation_active: 1 });
      await t.get("/1");
      await stats(t, { min_rtt_calculation_active: 0 });
    },
  },
];

const measurements: readonly ParityCase[] = [
  {
    name: "the minimum is measured by request_count requests",
    config: http({ filters: [adaptive({ minRtt: { request_count: 3 } })] }),
    upstream: slow,
    run: async (t) => {
      await t.get("/20");
      await t.get("/20");
      await stats(t, { min_rtt_calculation_active: 1 });
      await t.get("/20");
      await stats(t, { min_rtt_calculation_active: 0, concurrency_limit: 1 });
      // Envoy's buckets have two digits; a busy machine takes longer, never less.
      const measured = (await stat(t, "min_rtt_msecs")) ?? 0;
      assert.ok(measured >= 19, String(measured));
    },
  },
  {
    name: "the minimum is measured again",
    config: http({ filters: [adaptive({ minRtt: { interval: "0.1s", jitter: { value: 0 } } })] }),
    upstream: slow,
    run: async (t) => {
      await t.get("/20");
      // The first measurement is over.
      await t.eventually(async () => assert.ok(((await stat(t, "min_rtt_msecs")) ?? 0) > 0));
      await stats(t, { min_rtt_calculation_active: 1 });
    },
  },
  {
    name: "the limit grows while answers are fast, up to max_concurrency_limit",
    config: http({ filters: [adaptive({ limit: { max_concurrency_limit: 5 } })] }),
    upstream: slow,
    run: async (t) => {
      await t.get("/300");
      await t.eventually(async () => {
        await t.get("/0");
        assert.equal(await stat(t, "concurrency_limit"), 5);
        assert.equal(await stat(t, "gradient"), 2000);
      });
      assert.ok(((await stat(t, "burst_queue_size")) ?? 0) >= 1);
    },
  },
  {
    name: "the limit falls when answers are slow",
    config: http({
      filters: [
        adaptive({ limit: { max_concurrency_limit: 8 }, minRtt: { buffer: { value: 0 } } }),
      ],
    }),
    upstream: slow,
    run: async (t) => {
      await t.get("/100");
      await t.eventually(async () => {
        await t.get("/0");
        assert.equal(await stat(t, "concurrency_limit"), 8);
      });
      await t.eventually(async () => {
        await t.get("/700");
        assert.ok(((await stat(t, "concurrency_limit")) ?? 8) < 8);
      });
      assert.ok(((await stat(t, "gradient")) ?? 1000) < 1000);
    },
  },
];

parityArea("filter-adaptive-concurrency", [...limits, ...measurements]);
