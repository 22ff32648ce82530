import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { endpoint, http, route, toCluster } from "./harness/config.ts";
import {
  ask,
  byPath,
  clusterFacts,
  ejections,
  events,
  isOut,
  refusing,
  told,
  until,
  watched,
  watching,
  withEventLog,
} from "./harness/outlier.ts";

const consecutive: readonly ParityCase[] = [
  {
    name: "consecutive_5xx: so many failures, and the host gets no more",
    config: watching({ consecutive_5xx: 3 }),
    upstream: byPath,
    run: async (t) => {
      assert.deepEqual(await ask(t, "/500", "/503", "/500"), [500, 503, 500]);
      await ejections(t, {
        active: 1,
        total: 1,
        consecutive_5xx: 1,
        detected_consecutive_5xx: 1,
        enforced_consecutive_5xx: 1,
        enforced_total: 1,
        overflow: 0,
      });
      await isOut(t);
      assert.equal((await t.log(4)).at(-1), "503 UH no_healthy_upstream");
    },
  },
  {
    name: "consecutive_5xx is 5 when nobody says otherwise",
    config: watching({}),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500", "/500", "/500", "/500");
      await ejections(t, { detected_consecutive_5xx: 0 });
      await ask(t, "/500");
      await ejections(t, { active: 1, detected_consecutive_5xx: 1 });
    },
  },
  {
    name: "a success in between begins the count anew, and a 404 is one",
    config: watching({ consecutive_5xx: 2 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500", "/200", "/500", "/404", "/500");
      await ejections(t, { detected_consecutive_5xx: 0, active: 0 });
      await ask(t, "/500");
      await ejections(t, { active: 1 });
    },
  },
  {
    name: "in panic an ejected host is used all the same",
    config: watching({ consecutive_5xx: 1 }, [endpoint("main")], { common_lb_config: {} }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { active: 1 });
      await t.eventually(async () => {
        assert.deepEqual(await ask(t, "/"), [200]);
        assert.notEqual(await t.stat("cluster.{case}-main.lb_healthy_panic"), 0);
      });
    },
  },
  {
    name: "enforcing 0: found and counted, not ejected",
    config: watching({ consecutive_5xx: 2, enforcing_consecutive_5xx: 0 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500", "/500");
      await ejections(t, {
        active: 0,
        total: 1,
        consecutive_5xx: 1,
        detected_consecutive_5xx: 1,
        enforced_consecutive_5xx: 0,
        enforced_total: 0,
      });
      assert.deepEqual(await ask(t, "/500", "/500"), [500, 500]);
      await ejections(t, { detected_consecutive_5xx: 2 });
    },
  },
  {
    name: "max_ejection_percent is 10: one of few hosts stays",
    config: watching({ consecutive_5xx: 1, max_ejection_percent: 10 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500", "/500");
      await ejections(t, {
        active: 0,
        overflow: 2,
        detected_consecutive_5xx: 2,
        enforced_total: 0,
        total: 0,
      });
    },
  },
  {
    name: "always_eject_one_host: one more than the percentage",
    config: watching({
      consecutive_5xx: 1,
      max_ejection_percent: 0,
      always_eject_one_host: true,
    }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { active: 1, overflow: 0 });
    },
  },
  {
    name: "max_ejection_percent 50 of two: the first goes, the second stays",
    config: watching({ consecutive_5xx: 1, max_ejection_percent: 50 }, [
      endpoint("main"),
      endpoint("one"),
    ]),
    upstreams: { main: byPath, one: byPath },
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { active: 1, overflow: 0 });
      await until(t, "overflow", () => ask(t, "/500"));
      await ejections(t, { active: 1, enforced_total: 1 });
      assert.deepEqual(await ask(t, "/", "/"), [200, 200]);
    },
  },
];

const gateway: readonly ParityCase[] = [
  {
    name: "consecutive_gateway_failure: 502, 503 and 504, when enforced",
    config: watching({
      consecutive_gateway_failure: 3,
      enforcing_consecutive_gateway_failure: 100,
    }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/502", "/503", "/504");
      await ejections(t, {
        active: 1,
        total: 0,
        detected_consecutive_gateway_failure: 1,
        enforced_consecutive_gateway_failure: 1,
        detected_consecutive_5xx: 0,
      });
    },
  },
  {
    name: "a 500 is no failure of a gateway, and ends a row of them",
    config: watching({
      consecutive_gateway_failure: 2,
      enforcing_consecutive_gateway_failure: 100,
    }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/503", "/500", "/503");
      await ejections(t, { detected_consecutive_gateway_failure: 0 });
      await ask(t, "/503");
      await ejections(t, { detected_consecutive_gateway_failure: 1 });
    },
  },
  {
    name: "consecutive_gateway_failure is found and not enforced when nobody says otherwise",
    config: watching({ consecutive_gateway_failure: 2 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/503", "/503");
      await ejections(t, {
        active: 0,
        detected_consecutive_gateway_failure: 1,
        enforced_consecutive_gateway_failure: 0,
      });
    },
  },
];

const localOrigin: readonly ParityCase[] = [
  {
    name: "not split: no connection counts as a 503",
    config: watching({ consecutive_5xx: 2, consecutive_gateway_failure: 2 }, [refusing]),
    run: async (t) => {
      await ask(t, "/", "/");
      await ejections(t, {
        active: 1,
        detected_consecutive_5xx: 1,
        detected_consecutive_gateway_failure: 1,
        detected_consecutive_local_origin_failure: 0,
      });
    },
  },
  {
    name: "not split: a reset counts as a 503",
    config: watching({ consecutive_5xx: 2, consecutive_gateway_failure: 2 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/reset", "/reset");
      await ejections(t, { active: 1, detected_consecutive_gateway_failure: 1 });
    },
  },
  {
    name: "not split: a response that is cut short counts twice, as it came and as it went",
    config: watching({ consecutive_5xx: 1 }),
    upstream: byPath,
    run: async (t) => {
      const client = await t.connect();
      await client.write("GET /cut HTTP/1.1\r\nhost: host.test\r\n\r\n");
      await ejections(t, { active: 1, detected_consecutive_5xx: 1 });
    },
  },
  {
    name: "not split: a timeout counts as a 504",
    config: http({
      routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.05s" }))],
      clusters: [watched({ consecutive_5xx: 2, consecutive_gateway_failure: 2 })],
    }),
    upstream: byPath,
    run: async (t) => {
      assert.deepEqual(await ask(t, "/hang", "/hang"), [504, 504]);
      await ejections(t, { active: 1, detected_consecutive_gateway_failure: 1 });
    },
  },
  {
    name: "every attempt of a request counts",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", { retry_policy: { retry_on: "5xx", num_retries: 2 } }),
        ),
      ],
      clusters: [watched({ consecutive_5xx: 3 })],
    }),
    upstream: byPath,
    run: async (t) => {
      assert.deepEqual(await ask(t, "/500"), [500]);
      await ejections(t, { active: 1, detected_consecutive_5xx: 1 });
    },
  },
  {
    name: "what the cluster's own limits refuse is not the host's failure",
    config: watching({ consecutive_5xx: 1 }, undefined, {
      circuit_breakers: { thresholds: [{ max_requests: 0 }] },
    }),
    upstream: byPath,
    run: async (t) => {
      assert.deepEqual(await ask(t, "/"), [503]);
      assert.equal((await t.logLine()).slice(0, 6), "503 UO");
      await ejections(t, { detected_consecutive_5xx: 0 });
    },
  },
  {
    name: "split: no connection is a failure of local origin, and no 503",
    config: watching(
      {
        consecutive_5xx: 1,
        split_external_local_origin_errors: true,
        consecutive_local_origin_failure: 2,
      },
      [refusing],
    ),
    run: async (t) => {
      await ask(t, "/", "/");
      await ejections(t, {
        active: 1,
        total: 0,
        detected_consecutive_local_origin_failure: 1,
        enforced_consecutive_local_origin_failure: 1,
        enforced_total: 1,
        detected_consecutive_5xx: 0,
      });
    },
  },
  {
    name: "split: what the upstream answers still counts by itself",
    config: watching({
      consecutive_5xx: 2,
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 1,
    }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/503", "/503");
      await ejections(t, {
        active: 1,
        detected_consecutive_5xx: 1,
        detected_consecutive_local_origin_failure: 0,
      });
    },
  },
  {
    name: "split: a connection in between begins the count anew, so resets are never two in a row",
    config: watching({
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 2,
    }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/reset", "/reset", "/reset");
      await ejections(t, { detected_consecutive_local_origin_failure: 0, active: 0 });
    },
  },
  {
    name: "split: a timeout is a failure of local origin",
    config: http({
      routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.05s" }))],
      clusters: [
        watched({
          consecutive_5xx: 1,
          split_external_local_origin_errors: true,
          consecutive_local_origin_failure: 1,
        }),
      ],
    }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/hang");
      await ejections(t, {
        active: 1,
        detected_consecutive_local_origin_failure: 1,
        detected_consecutive_5xx: 0,
      });
    },
  },
  {
    name: "split: local origin may be found without being enforced",
    config: watching(
      {
        split_external_local_origin_errors: true,
        consecutive_local_origin_failure: 1,
        enforcing_consecutive_local_origin_failure: 0,
      },
      [refusing],
    ),
    run: async (t) => {
      await ask(t, "/");
      await ejections(t, { active: 0, detected_consecutive_local_origin_failure: 1 });
    },
  },
];

const shown: readonly ParityCase[] = [
  {
    name: "event log: a consecutive ejection",
    config: watching({ consecutive_5xx: 1 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500");
      const [event] = await events(t);
      assert.deepEqual(told(event), {
        type: "CONSECUTIVE_5XX",
        action: "EJECT",
        num_ejections: 1,
        enforced: true,
        eject_consecutive_event: {},
      });
    },
  },
  {
    name: "event log: one that was not enforced",
    config: watching({ consecutive_gateway_failure: 1 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/503");
      const [event] = await events(t);
      assert.deepEqual(told(event), {
        type: "CONSECUTIVE_GATEWAY_FAILURE",
        action: "EJECT",
        num_ejections: 0,
        enforced: false,
        eject_consecutive_event: {},
      });
    },
  },
  {
    name: "event log: local origin",
    config: watching(
      { split_external_local_origin_errors: true, consecutive_local_origin_failure: 1 },
      [refusing],
    ),
    run: async (t) => {
      await ask(t, "/");
      const [event] = await events(t, { port: 1 });
      assert.deepEqual(told(event), {
        type: "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
        action: "EJECT",
        num_ejections: 1,
        enforced: true,
        eject_consecutive_event: {},
      });
    },
  },
  {
    name: "/clusters shows who is ejected, and the averages",
    config: watching({ consecutive_5xx: 1 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { active: 1 });
      const facts = await clusterFacts(t);
      const host = `127.0.0.1:${t.upstream().port}`;
      assert.equal(facts[`${host}::health_flags`], "/failed_outlier_check");
      assert.equal(facts[`${host}::success_rate`], "-1");
      assert.equal(facts[`${host}::local_origin_success_rate`], "-1");
      assert.equal(facts["outlier::success_rate_average"], "-1");
      assert.equal(facts["outlier::success_rate_ejection_threshold"], "-1");
      assert.equal(facts["outlier::local_origin_success_rate_average"], "-1");
      assert.equal(facts["outlier::local_origin_success_rate_ejection_threshold"], "-1");
      const { body } = await t.admin("/clusters?format=json&filter=^{case}-main$");
      const [status] = JSON.parse(body).cluster_statuses;
      assert.deepEqual(status.host_statuses[0].health_status, {
        failed_outlier_check: true,
        eds_health_status: "HEALTHY",
      });
      await t.stats({ "cluster.{case}-main.membership_healthy": 0 });
    },
  },
  {
    name: "/clusters without outlier detection has no averages",
    config: http(),
    upstream: byPath,
    run: async (t) => {
      const facts = await clusterFacts(t);
      assert.equal(facts["outlier::success_rate_average"], undefined);
    },
  },
];

parityArea("outlier-detection", [...consecutive, ...gateway, ...localOrigin, ...shown], {
  bootstrap: withEventLog,
});
