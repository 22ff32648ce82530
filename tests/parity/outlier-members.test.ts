/** Outlier detection where hosts come and go, and for those that only mirrors and tunnels use. */
import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  http,
  type JsonObject,
  route,
  toCluster,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import {
  ask,
  byPath,
  clusterFacts,
  ejections,
  isBack,
  until,
  watched,
  watching,
} from "./harness/outlier.ts";

const fromFile = (detection: JsonObject): CaseConfig =>
  http({
    clusters: [
      {
        name: "{case}-main",
        connect_timeout: "1s",
        type: "EDS",
        eds_cluster_config: {
          eds_config: { path_config_source: { path: "{folder}/eds.json" } },
        },
        outlier_detection: { max_ejection_percent: 100, ...detection },
        common_lb_config: { healthy_panic_threshold: { value: 0 } },
      },
    ],
  });

/** The membership is these upstreams now. */
function announce(t: CaseContext, upstreams: readonly string[]): void {
  const lbEndpoints = upstreams.map((name) => ({
    endpoint: {
      address: { socket_address: { address: "127.0.0.1", port_value: t.upstream(name).port } },
    },
  }));
  const assignment = {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: `${t.id}-main`,
    endpoints: [{ lb_endpoints: lbEndpoints }],
  };
  const text = JSON.stringify({
    version_info: upstreams.join(),
    resources: [assignment],
  });
  writeFileSync(join(t.folder, "next"), text);
  renameSync(join(t.folder, "next"), join(t.folder, "eds.json"));
}

const membership = (t: CaseContext, total: number): Promise<void> =>
  t.stats({ "cluster.{case}-main.membership_total": total });

const members: readonly ParityCase[] = [
  {
    name: "an ejected host that leaves is no longer counted, and comes back as a new one",
    config: fromFile({ consecutive_5xx: 1 }),
    upstreams: { one: byPath, two: byPath },
    prepare: (t) => announce(t, ["one"]),
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { active: 1 });
      announce(t, ["two"]);
      await ejections(t, { active: 0 });
      await t.eventually(async () => assert.deepEqual(await ask(t, "/"), [200]));
      announce(t, ["one", "two"]);
      await membership(t, 2);
      await t.stats({ "cluster.{case}-main.membership_healthy": 2 });
      await ejections(t, { active: 0, enforced_total: 1 });
    },
  },
  {
    name: "an ejection outlasts a new membership that has the host",
    config: fromFile({ consecutive_5xx: 1 }),
    upstreams: { one: byPath, two: byPath },
    prepare: (t) => announce(t, ["one"]),
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { active: 1 });
      announce(t, ["one", "two"]);
      await membership(t, 2);
      await ejections(t, { active: 1 });
      const facts = await clusterFacts(t);
      const one = `127.0.0.1:${t.upstream("one").port}`;
      assert.equal(facts[`${one}::health_flags`], "/failed_outlier_check");
      await t.stats({ "cluster.{case}-main.membership_healthy": 1 });
    },
  },
  {
    name: "hosts that came later are watched like the first",
    config: fromFile({ consecutive_5xx: 2 }),
    upstreams: { one: byPath, two: byPath },
    prepare: (t) => announce(t, ["one"]),
    run: async (t) => {
      await ask(t, "/500");
      announce(t, ["one", "two"]);
      await membership(t, 2);
      await until(t, "active", () => ask(t, "/500"), 2);
    },
  },
];

const unusual: readonly ParityCase[] = [
  {
    name: "what a mirror's host answers counts for it",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("first", { request_mirror_policies: [{ cluster: "{case}-main" }] }),
        ),
      ],
      clusters: [watched({ consecutive_5xx: 2 })],
    }),
    upstreams: { main: byPath, first: byPath },
    run: async (t) => {
      await until(t, "detected_consecutive_5xx", () => ask(t, "/500"));
      await ejections(t, { active: 1 });
    },
  },
  {
    name: "priorities: when all of the first are ejected, the second takes over",
    config: http({
      clusters: [
        cluster("main", {
          outlier_detection: { consecutive_5xx: 1, max_ejection_percent: 100 },
          load_assignment: {
            cluster_name: "{case}-main",
            endpoints: [
              { lb_endpoints: [endpoint("main")] },
              { lb_endpoints: [endpoint("second")], priority: 1 },
            ],
          },
        }),
      ],
    }),
    upstreams: { main: byPath, second: byPath },
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { active: 1 });
      await t.eventually(async () => {
        await ask(t, "/");
        assert.ok(t.upstream("second").requests.length > 0);
      });
    },
  },
];

/** Asks for what the upstream answers with 200, ten times a second. */
const checked: JsonObject = {
  health_checks: [
    {
      timeout: "1s",
      interval: "0.1s",
      no_traffic_interval: "0.1s",
      healthy_threshold: 1,
      unhealthy_threshold: 10,
      http_health_check: { path: "/200" },
    },
  ],
};
const checks = "cluster.{case}-main.health_check.success";

const byCheck: readonly ParityCase[] = [
  {
    name: "a successful health check takes an ejected host back",
    config: watching({ consecutive_5xx: 1 }, undefined, checked),
    upstream: byPath,
    run: async (t) => {
      await isBack(t);
      await ask(t, "/500");
      await ejections(t, { enforced_total: 1, active: 0 });
      await isBack(t);
    },
  },
  {
    name: "successful_active_health_check_uneject_host: or it does not",
    config: watching(
      { consecutive_5xx: 1, successful_active_health_check_uneject_host: false },
      undefined,
      checked,
    ),
    upstream: byPath,
    run: async (t) => {
      await isBack(t);
      await ask(t, "/500");
      await ejections(t, { active: 1 });
      const before = (await t.stat(checks)) ?? 0;
      await t.eventually(async () => assert.ok(((await t.stat(checks)) ?? 0) >= before + 3));
      await ejections(t, { active: 1, enforced_total: 1 });
    },
  },
];

// A discovered membership needs a node.
parityArea("outlier-members", [...members, ...unusual, ...byCheck], {
  bootstrap: { node: { id: "node", cluster: "cluster" } },
});
