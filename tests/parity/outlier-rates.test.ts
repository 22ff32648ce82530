import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import {
  always,
  ask,
  byPath,
  clusterFacts,
  ejections,
  events,
  fiveEndpoints,
  oneBad,
  refusing,
  round,
  told,
  until,
  watching,
  withEventLog,
} from "./harness/outlier.ts";

/** Rates are looked at when an interval ends; nothing else ejects. */
const rates: JsonObject = {
  interval: "0.3s",
  consecutive_5xx: 1_000_000,
  consecutive_gateway_failure: 1_000_000,
  consecutive_local_origin_failure: 1_000_000,
  success_rate_request_volume: 1,
  failure_percentage_request_volume: 1,
};
const split: JsonObject = { ...rates, split_external_local_origin_errors: true };
const oneRefuses = [...fiveEndpoints.slice(0, 4), refusing];
const enforced: JsonObject = {
  ...rates,
  enforcing_success_rate: 0,
  enforcing_failure_percentage: 100,
};

const successRate: readonly ParityCase[] = [
  {
    name: "success_rate: the one host far below the others goes",
    config: watching({ ...rates, max_ejection_percent: 20 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "enforced_success_rate", () => round(t));
      await ejections(t, { active: 1, enforced_total: 1, enforced_failure_percentage: 0 });
      const host = `127.0.0.1:${t.upstream("five").port}`;
      assert.equal((await clusterFacts(t))[`${host}::health_flags`], "/failed_outlier_check");
      const five = [200, 200, 200, 200, 200];
      await t.eventually(async () =>
        assert.deepEqual(await ask(t, ...five.map((status) => `/${status}`)), five),
      );
    },
  },
  {
    name: "success_rate: the event has the host's rate, the average and the threshold",
    config: watching(rates, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "enforced_success_rate", () => round(t));
      const [event] = await events(t, { port: t.upstream("five").port, type: "SUCCESS_RATE" });
      assert.deepEqual(told(event), {
        type: "SUCCESS_RATE",
        action: "EJECT",
        num_ejections: 1,
        enforced: true,
        eject_success_rate_event: {
          host_success_rate: 0,
          cluster_average_success_rate: 80,
          // 80 less 1.9 times 40.
          cluster_success_rate_ejection_threshold: 4,
        },
      });
    },
  },
  {
    name: "success_rate_stdev_factor moves the threshold: nobody is far enough below",
    config: watching({ ...rates, success_rate_stdev_factor: 2100 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "detected_failure_percentage", () => round(t));
      await ejections(t, { detected_success_rate: 0, active: 0 });
    },
  },
  {
    name: "success_rate: found, and not enforced",
    config: watching({ ...rates, enforcing_success_rate: 0 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "detected_success_rate", () => round(t));
      await ejections(t, { active: 0, enforced_success_rate: 0 });
    },
  },
  {
    name: "success_rate_minimum_hosts: too few to compare",
    config: watching(
      { ...rates, success_rate_minimum_hosts: 6, failure_percentage_minimum_hosts: 1 },
      fiveEndpoints,
    ),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "detected_failure_percentage", () => round(t));
      await ejections(t, { detected_success_rate: 0 });
    },
  },
  {
    name: "success_rate_request_volume: too few requests to judge",
    config: watching({ ...rates, success_rate_request_volume: 100_000 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "detected_failure_percentage", () => round(t));
      await ejections(t, { detected_success_rate: 0 });
    },
  },
  {
    name: "/clusters shows the rates of the last interval",
    config: watching({ ...rates, enforcing_success_rate: 0 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      const well = `127.0.0.1:${t.upstream("one").port}`;
      const ill = `127.0.0.1:${t.upstream("five").port}`;
      await t.eventually(async () => {
        await round(t);
        const facts = await clusterFacts(t);
        assert.equal(facts[`${well}::success_rate`], "100");
        assert.equal(facts[`${ill}::success_rate`], "0");
        assert.equal(facts[`${well}::local_origin_success_rate`], "-1");
        assert.equal(facts["outlier::success_rate_average"], "80");
        assert.equal(facts["outlier::success_rate_ejection_threshold"], "4");
      });
    },
  },
  {
    name: "/clusters shows six digits of an average",
    config: watching(
      {
        ...rates,
        success_rate_minimum_hosts: 3,
        success_rate_stdev_factor: 0,
        enforcing_success_rate: 0,
      },
      fiveEndpoints.slice(2),
    ),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await t.eventually(async () => {
        await round(t);
        const facts = await clusterFacts(t);
        assert.equal(facts["outlier::success_rate_average"], "66.6667");
        assert.equal(facts["outlier::success_rate_ejection_threshold"], "66.6667");
      });
    },
  },
  {
    name: "/clusters as JSON: rates and the threshold",
    config: watching({ ...rates, enforcing_success_rate: 0 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await t.eventually(async () => {
        await round(t);
        const { body } = await t.admin("/clusters?format=json&filter=^{case}-main$");
        const [status] = JSON.parse(body).cluster_statuses;
        assert.deepEqual(status.success_rate_ejection_threshold, { value: 4 });
        assert.deepEqual(status.host_statuses[0].success_rate, { value: 100 });
        assert.deepEqual(status.host_statuses[4].success_rate, {});
        assert.equal("local_origin_success_rate" in status.host_statuses[0], false);
      });
    },
  },
];

const failurePercentage: readonly ParityCase[] = [
  {
    name: "failure_percentage: a host that fails so often goes, when enforced",
    config: watching({ ...enforced, success_rate_minimum_hosts: 6 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "enforced_failure_percentage", () => round(t));
      await ejections(t, { active: 1, total: 0 });
      const five = t.upstream("five").port;
      const [event] = await events(t, { port: five, type: "FAILURE_PERCENTAGE" });
      assert.deepEqual(told(event), {
        type: "FAILURE_PERCENTAGE",
        action: "EJECT",
        num_ejections: 1,
        enforced: true,
        eject_failure_percentage_event: { host_success_rate: 0 },
      });
    },
  },
  {
    name: "failure_percentage is found and not enforced when nobody says otherwise",
    config: watching({ ...rates, enforcing_success_rate: 0 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "detected_failure_percentage", () => round(t));
      await ejections(t, { active: 0, enforced_failure_percentage: 0 });
    },
  },
  {
    name: "failure_percentage_threshold 100: only who never succeeds",
    config: watching({
      ...enforced,
      failure_percentage_threshold: 100,
      failure_percentage_minimum_hosts: 1,
    }),
    upstream: byPath,
    run: async (t) => {
      await until(t, "enforced_failure_percentage", () => ask(t, "/500"));
      await ejections(t, { active: 1 });
    },
  },
  {
    name: "failure_percentage_minimum_hosts: too few to judge",
    config: watching({ ...enforced, failure_percentage_minimum_hosts: 6 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "detected_success_rate", () => round(t));
      await ejections(t, { detected_failure_percentage: 0 });
    },
  },
  {
    name: "a host that both find counts twice, and is ejected once",
    config: watching({ ...enforced, enforcing_success_rate: 100 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "detected_success_rate", () => round(t));
      await ejections(t, { enforced_success_rate: 1, active: 2, enforced_total: 2 });
    },
    heddle: {
      difference: "A host that two detectors find at once is ejected once",
      run: async (t) => {
        await until(t, "detected_success_rate", () => round(t));
        await ejections(t, { enforced_success_rate: 1, active: 1, enforced_total: 1 });
      },
    },
  },
];

const localOrigin: readonly ParityCase[] = [
  {
    name: "split: success_rate of local origin",
    config: watching(split, oneRefuses),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "enforced_local_origin_success_rate", () => round(t));
      await ejections(t, { active: 1, enforced_success_rate: 0, total: 0 });
      const [event] = await events(t, { port: 1, type: "SUCCESS_RATE_LOCAL_ORIGIN" });
      assert.deepEqual(told(event), {
        type: "SUCCESS_RATE_LOCAL_ORIGIN",
        action: "EJECT",
        num_ejections: 1,
        enforced: true,
        eject_success_rate_event: {
          host_success_rate: 0,
          cluster_average_success_rate: 80,
          cluster_success_rate_ejection_threshold: 4,
        },
      });
    },
  },
  {
    name: "split: failure_percentage of local origin",
    config: watching(
      {
        ...split,
        enforcing_local_origin_success_rate: 0,
        enforcing_failure_percentage_local_origin: 100,
      },
      oneRefuses,
    ),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "enforced_local_origin_failure_percentage", () => round(t));
      await ejections(t, { active: 1, enforced_local_origin_success_rate: 0 });
      const [event] = await events(t, { port: 1, type: "FAILURE_PERCENTAGE_LOCAL_ORIGIN" });
      assert.deepEqual(told(event), {
        type: "FAILURE_PERCENTAGE_LOCAL_ORIGIN",
        action: "EJECT",
        num_ejections: 1,
        enforced: true,
        eject_failure_percentage_event: { host_success_rate: 0 },
      });
    },
  },
  {
    name: "split: /clusters shows both rates of a host that answers errors",
    config: watching({ ...split, enforcing_success_rate: 0 }, fiveEndpoints),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      const ill = `127.0.0.1:${t.upstream("five").port}`;
      await t.eventually(async () => {
        await round(t);
        const facts = await clusterFacts(t);
        assert.equal(facts[`${ill}::success_rate`], "0");
        assert.equal(facts[`${ill}::local_origin_success_rate`], "100");
        assert.equal(facts["outlier::local_origin_success_rate_average"], "100");
        assert.equal(facts["outlier::local_origin_success_rate_ejection_threshold"], "100");
      });
    },
  },
  {
    name: "not split: nothing is of local origin, whatever fails",
    config: watching(rates, oneRefuses),
    upstreams: oneBad(always(500)),
    run: async (t) => {
      await until(t, "enforced_success_rate", () => round(t));
      await ejections(t, {
        detected_local_origin_success_rate: 0,
        detected_local_origin_failure_percentage: 0,
      });
    },
  },
];

parityArea("outlier-rates", [...successRate, ...failurePercentage, ...localOrigin], {
  bootstrap: withEventLog,
});
