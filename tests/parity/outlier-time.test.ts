import assert from "node:assert/strict";
import { echo, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { type CaseConfig, endpoint, type JsonObject, listener } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import {
  ask,
  byPath,
  clusterFacts,
  durations,
  ejections,
  events,
  isBack,
  refusing,
  told,
  until,
  watched,
  watching,
  withEventLog,
} from "./harness/outlier.ts";
import { tcpProxy } from "./harness/tcp-proxy.ts";

const short: JsonObject = { interval: "0.1s", base_ejection_time: "0.2s" };

const back: readonly ParityCase[] = [
  {
    name: "an ejected host is back at the end of an interval after its time",
    config: watching({ ...short, consecutive_5xx: 1 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { enforced_total: 1, active: 0 });
      await isBack(t);
      const log = await events(t, { count: 2 });
      assert.deepEqual(told(log[1]), {
        type: "CONSECUTIVE_5XX",
        secs_since_last_action: "0",
        action: "UNEJECT",
        num_ejections: 1,
        enforced: false,
      });
      assert.ok((durations(log)[0] ?? 0) >= 190, JSON.stringify(log));
    },
  },
  {
    name: "a host that is back needs as many failures as before",
    config: watching({ ...short, consecutive_5xx: 2 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500", "/500");
      await ejections(t, { enforced_total: 1, active: 0 });
      await isBack(t, 500);
      await ejections(t, { detected_consecutive_5xx: 1 });
      await ask(t, "/500");
      await ejections(t, { detected_consecutive_5xx: 2 });
      const log = await events(t, { count: 3 });
      assert.deepEqual(
        log.slice(0, 3).map(({ action, num_ejections }) => `${action} ${num_ejections}`),
        ["EJECT 1", "UNEJECT 1", "EJECT 2"],
      );
      assert.equal(typeof log[2]?.["secs_since_last_action"], "string");
    },
  },
  {
    name: "who fails again at once stays out for longer",
    // In panic the host is asked while it is ejected, so it fails again as soon as it is back.
    config: watching({ ...short, interval: "0.3s", consecutive_5xx: 1 }, [endpoint("main")], {
      common_lb_config: {},
    }),
    upstream: byPath,
    run: async (t) => {
      await t.eventually(async () => {
        await ask(t, "/500");
        assert.ok(durations(await events(t)).some((ms) => ms >= 590));
      });
      // The first is as short as it may be: one interval.
      assert.ok((durations(await events(t))[0] ?? 0) >= 190);
    },
  },
  {
    name: "max_ejection_time bounds what a host stays out for",
    config: watching(
      {
        interval: "0.05s",
        base_ejection_time: "0.1s",
        max_ejection_time: "0.1s",
        consecutive_5xx: 1,
      },
      [endpoint("main")],
      { common_lb_config: {} },
    ),
    upstream: byPath,
    run: async (t) => {
      await until(t, "enforced_total", () => ask(t, "/500"), 4);
      assert.ok(durations(await events(t, { count: 7 })).every((ms) => ms >= 95));
    },
  },
  {
    name: "the end of an interval takes several back together",
    config: watching({ ...short, consecutive_5xx: 1 }, [endpoint("main"), endpoint("one")]),
    upstreams: { main: byPath, one: byPath },
    run: async (t) => {
      await ask(t, "/500", "/500");
      await ejections(t, { enforced_total: 2, active: 0 });
      await isBack(t);
    },
  },
];

const degraded: JsonObject = { detect_degraded_hosts: true };

const degradation: readonly ParityCase[] = [
  {
    name: "detect_degraded_hosts: a host that says so is used after others, and not ejected",
    config: watching(degraded, [endpoint("main"), endpoint("one")]),
    upstreams: { main: byPath, one: byPath },
    run: async (t) => {
      await ask(t, "/200?degraded");
      await ejections(t, { detected_degradation: 1, active: 0, enforced_total: 0, total: 0 });
      await t.stats({
        "cluster.{case}-main.membership_degraded": 1,
        "cluster.{case}-main.membership_healthy": 1,
      });
      assert.deepEqual(await ask(t, "/", "/"), [200, 200]);
      const host = `127.0.0.1:${t.upstream("main").port}`;
      const facts = await clusterFacts(t);
      const other = `127.0.0.1:${t.upstream("one").port}`;
      assert.deepEqual([facts[`${host}::health_flags`], facts[`${other}::health_flags`]].sort(), [
        "/degraded_outlier_detection",
        "healthy",
      ]);
    },
  },
  {
    name: "detect_degraded_hosts: an error is an error, whatever it says",
    config: watching(degraded),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500?degraded");
      await ejections(t, { detected_degradation: 0 });
      await ask(t, "/404?degraded");
      await ejections(t, { detected_degradation: 1 });
    },
  },
  {
    name: "detect_degraded_hosts: a host may be both, and the log has both",
    config: watching({ ...degraded, consecutive_5xx: 1 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/200?degraded");
      await ejections(t, { detected_degradation: 1 });
      await ask(t, "/500");
      await ejections(t, { active: 1 });
      const log = await events(t, { count: 2 });
      assert.deepEqual(log.slice(0, 2).map(told), [
        {
          type: "DEGRADED",
          action: "EJECT",
          num_ejections: 0,
          enforced: true,
          eject_consecutive_event: {},
        },
        {
          type: "CONSECUTIVE_5XX",
          action: "EJECT",
          num_ejections: 1,
          enforced: true,
          eject_consecutive_event: {},
        },
      ]);
      const { body } = await t.admin("/clusters?format=json&filter=^{case}-main$");
      assert.deepEqual(JSON.parse(body).cluster_statuses[0].host_statuses[0].health_status, {
        failed_outlier_check: true,
        eds_health_status: "HEALTHY",
        failed_degraded_outlier_detection: true,
      });
      const host = `127.0.0.1:${t.upstream().port}`;
      assert.equal(
        (await clusterFacts(t))[`${host}::health_flags`],
        "/failed_outlier_check/degraded_outlier_detection",
      );
    },
  },
  {
    name: "detect_degraded_hosts: it is over at the end of an interval after its time",
    config: watching({ ...short, ...degraded }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/200?degraded");
      await ejections(t, { detected_degradation: 1 });
      await t.stats({ "cluster.{case}-main.membership_healthy": 1 });
      const log = await events(t, { count: 2 });
      assert.deepEqual(told(log[1]), {
        type: "CONSECUTIVE_5XX",
        action: "UNEJECT",
        num_ejections: 0,
        enforced: false,
      });
    },
  },
];

const tcp = (detection: JsonObject, endpoints: readonly JsonObject[]): CaseConfig => ({
  listeners: [listener([tcpProxy()])],
  clusters: [watched(detection, endpoints)],
});

/** A connection that the proxy closes because there is no upstream. */
async function connectInVain(t: CaseContext): Promise<void> {
  const client = await t.connect();
  await client.ended();
}

const connects: readonly ParityCase[] = [
  {
    name: "TCP: no connection counts as a 503",
    config: tcp({ consecutive_5xx: 2, consecutive_gateway_failure: 2 }, [refusing]),
    run: async (t) => {
      await connectInVain(t);
      await connectInVain(t);
      await ejections(t, {
        active: 1,
        detected_consecutive_5xx: 1,
        detected_consecutive_gateway_failure: 1,
      });
      await t.eventually(async () => {
        await connectInVain(t);
        assert.match((await t.log(3)).at(-1) ?? "", /^UH /);
      });
    },
  },
  {
    name: "TCP, split: no connection is a failure of local origin",
    config: tcp(
      {
        consecutive_5xx: 1,
        split_external_local_origin_errors: true,
        consecutive_local_origin_failure: 2,
      },
      [refusing],
    ),
    run: async (t) => {
      await connectInVain(t);
      await connectInVain(t);
      await ejections(t, {
        active: 1,
        detected_consecutive_local_origin_failure: 1,
        detected_consecutive_5xx: 0,
      });
    },
  },
  {
    name: "TCP: a connection is a success, and that it breaks is nobody's failure",
    config: tcp({ consecutive_5xx: 1 }, [endpoint("main")]),
    upstream: ((connection) => {
      connection.socket.once("data", () => connection.reset());
    }) satisfies Script,
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.ended();
      await ejections(t, { detected_consecutive_5xx: 0 });
    },
  },
  {
    name: "TCP: success_rate counts connections",
    config: tcp(
      {
        interval: "0.2s",
        enforcing_consecutive_5xx: 0,
        success_rate_minimum_hosts: 2,
        success_rate_request_volume: 1,
        success_rate_stdev_factor: 0,
      },
      [endpoint("main"), refusing],
    ),
    upstream: echo(),
    run: async (t) => {
      await until(t, "enforced_success_rate", async () => {
        const clients = await Promise.all([1, 2, 3, 4].map(() => t.connect()));
        for (const client of clients) client.end();
      });
      const [event] = await events(t, { port: 1, type: "SUCCESS_RATE" });
      assert.deepEqual(told(event), {
        type: "SUCCESS_RATE",
        action: "EJECT",
        num_ejections: 1,
        enforced: true,
        eject_success_rate_event: {
          host_success_rate: 0,
          cluster_average_success_rate: 50,
          cluster_success_rate_ejection_threshold: 50,
        },
      });
    },
  },
];

const runtime = (values: JsonObject): JsonObject => ({
  layered_runtime: { layers: [{ name: "static", static_layer: { outlier_detection: values } }] },
});

const refuses = (name: string, detection: JsonObject, reason: RegExp): ParityCase => ({
  name: `refuses ${name}`,
  config: watching(detection),
  upstream: byPath,
  own: { start: false },
  run: async (t) => {
    const finished = await t.command("--mode", "validate");
    assert.equal(finished.code, 1);
    assert.match(finished.output, reason);
  },
});

const process_: readonly ParityCase[] = [
  {
    name: "the runtime has its own thresholds, enforcement, times and percentage",
    config: watching({ consecutive_5xx: 1, max_ejection_percent: 0 }),
    upstream: byPath,
    own: {
      bootstrap: runtime({
        consecutive_5xx: 3,
        enforcing_consecutive_5xx: 0,
        consecutive_gateway_failure: 4,
        enforcing_consecutive_gateway_failure: 100,
        interval_ms: 50,
        base_ejection_time_ms: 100,
        max_ejection_percent: 100,
      }),
    },
    run: async (t) => {
      await ask(t, "/503", "/503", "/503");
      await ejections(t, { active: 0, detected_consecutive_5xx: 1, overflow: 0 });
      await ask(t, "/503");
      await ejections(t, { enforced_consecutive_gateway_failure: 1, active: 0 });
      await isBack(t);
    },
  },
  {
    name: "workers count together, and an ejection holds in all of them",
    config: watching({ consecutive_5xx: 9 }),
    upstream: byPath,
    own: { arguments: ["--concurrency", "3"] },
    run: async (t) => {
      await ask(t, ..."12345678".split("").map(() => "/500"));
      await ejections(t, { active: 0, detected_consecutive_5xx: 0 });
      await ask(t, "/500");
      await ejections(t, { active: 1, detected_consecutive_5xx: 1, enforced_total: 1 });
      // A worker may hear of it a moment after it was counted.
      await t.eventually(async () => {
        const statuses = await ask(t, ..."123456789012".split("").map(() => "/"));
        assert.ok(
          statuses.every((status) => status === 503),
          String(statuses),
        );
      });
    },
  },
  refuses(
    "a max_ejection_time below base_ejection_time",
    { base_ejection_time: "2s", max_ejection_time: "1s" },
    /max_ejection_time.* cannot be smaller than base_ejection_time/,
  ),
  refuses(
    "to enforce more than everything",
    { enforcing_consecutive_5xx: 101 },
    /enforcing_?consecutive_?5xx/i,
  ),
];

parityArea("outlier-time", [...back, ...degradation, ...connects, ...process_], {
  bootstrap: withEventLog,
});
