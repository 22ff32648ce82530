import assert from "node:assert/strict";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  extension,
  http,
  type JsonObject,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";

/**
 * Every healthy host of a process that has just begun is in its slow start, so all would be equal again. In panic the unhealthy ones are
 * used too, and they have their whole weight: beside them the slow start is seen without a clock.
 */
const toBoth = (policy: JsonObject, slowWeight = 1): CaseConfig =>
  http({
    clusters: [
      cluster("main", {
        load_assignment: {
          cluster_name: "{case}-main",
          endpoints: [
            {
              lb_endpoints: [
                endpoint("slow", { load_balancing_weight: slowWeight }),
                endpoint("whole", { health_status: "UNHEALTHY" }),
              ],
            },
          ],
        },
        common_lb_config: { healthy_panic_threshold: { value: 100 } },
        ...policy,
      }),
    ],
  });

const upstreams: Readonly<Record<string, Script>> = {
  slow: answer(response(200, "slow")),
  whole: answer(response(200, "whole")),
};

async function slowShare(t: CaseContext, requests: number): Promise<number> {
  const client = await t.connect();
  let slow = 0;
  for (let sent = 0; sent < requests; sent += 1)
    if ((await client.exchange(get("/"))).body === "slow") slow += 1;
  return slow;
}

/** Earliest deadlines first is exact, but for where in its turn it stands at the beginning and the end. */
const expects =
  (requests: number, slow: number) =>
  async (t: CaseContext): Promise<void> => {
    const got = await slowShare(t, requests);
    assert.ok(Math.abs(got - slow) <= 1, `${got} of ${requests}, not ${slow}`);
  };

const hour = "3600s";
const percent = (value: number): JsonObject => ({ min_weight_percent: { value } });
const aggression = (value: number, key = "{case}.none"): JsonObject => ({
  aggression: { default_value: value, runtime_key: key },
});
const slowly = (more: JsonObject = {}, window = hour): JsonObject => ({
  slow_start_config: { slow_start_window: window, ...more },
});
const roundRobin = (more?: JsonObject, window?: string): JsonObject => ({
  round_robin_lb_config: slowly(more, window),
});
const byExtension = (type: string, config: JsonObject): JsonObject => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: extension(
          "envoy.load_balancing_policies",
          `envoy.extensions.load_balancing_policies.${type}`,
          config,
        ),
      },
    ],
  },
});

const leastRequest = (more?: JsonObject): JsonObject => ({
  lb_policy: "LEAST_REQUEST",
  least_request_lb_config: slowly(more),
});

const cases: readonly (readonly [string, CaseConfig, ParityCase["run"]])[] = [
  ["a tenth of the weight to begin with", toBoth(roundRobin()), expects(110, 10)],
  ["min_weight_percent", toBoth(roundRobin(percent(50))), expects(60, 20)],
  [
    "min_weight_percent without a value",
    toBoth(roundRobin({ min_weight_percent: {} })),
    expects(60, 0),
  ],
  ["a part of the host's own weight", toBoth(roundRobin(percent(50)), 4), expects(60, 40)],
  [
    "round robin as an extension",
    toBoth(byExtension("round_robin.v3.RoundRobin", slowly(percent(25)))),
    expects(50, 10),
  ],
  ["least request", toBoth(leastRequest()), expects(110, 10)],
  [
    "least request as an extension",
    toBoth(byExtension("least_request.v3.LeastRequest", slowly(percent(25)))),
    expects(50, 10),
  ],
  [
    "round_robin_lb_config is not least request's",
    toBoth({ lb_policy: "LEAST_REQUEST", ...roundRobin(percent(1)) }),
    async (t) => {
      // A coin for each request: five deviations of 400 are 50.
      const got = await slowShare(t, 400);
      assert.ok(got > 150 && got < 250, String(got));
    },
  ],
  ["a window of no length", toBoth(roundRobin({}, "0s")), expects(60, 30)],
  // The thousandth root of a millisecond in an hour is 0.985.
  ["aggression", toBoth(roundRobin(aggression(1000))), expects(60, 30)],
  ["aggression by runtime", toBoth(roundRobin(aggression(1, "slow.quick"))), expects(60, 30)],
  ["an aggression of nothing is none", toBoth(roundRobin(aggression(0))), expects(110, 10)],
  [
    "after the window the host has its whole weight",
    toBoth(roundRobin(percent(1), "0.2s")),
    async (t) => {
      await t.eventually(async () => assert.equal(await slowShare(t, 10), 5));
    },
  ],
];

parityArea(
  "slow-start",
  cases.map(([name, config, run]): ParityCase => ({ name, config, upstreams, run })),
  {
    bootstrap: {
      layered_runtime: { layers: [{ name: "static", static_layer: { "slow.quick": 1000 } }] },
    },
  },
);
