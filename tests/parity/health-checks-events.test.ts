import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { type CaseConfig, http, type JsonObject } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import {
  allEvents,
  answers,
  check,
  checking,
  checks,
  events,
  flags,
  kindOf,
  members,
  obedient,
  say,
} from "./harness/health-checks.ts";
import { always, ask } from "./harness/outlier.ts";

const logged = (extra: JsonObject = {}): JsonObject =>
  check({ event_log_path: "{folder}/events.log", ...extra });

const eventLog: readonly ParityCase[] = [
  {
    name: "event log: well, ejected, well again",
    config: checking(logged({ healthy_threshold: 1 })),
    upstream: obedient,
    run: async (t) => {
      assert.deepEqual((await events(t, 1))[0], {
        health_checker_type: "HTTP",
        host: {
          socket_address: {
            protocol: "TCP",
            address: "127.0.0.1",
            port_value: t.upstream().port,
            resolver_name: "",
            ipv4_compat: false,
            network_namespace_filepath: "",
          },
        },
        cluster_name: t.fill("{case}-main"),
        add_healthy_event: { first_check: true },
        locality: { region: "", zone: "", sub_zone: "" },
      });
      say(t.upstream(), response(503));
      await events(t, 2);
      say(t.upstream(), response(200));
      const kinds = (await events(t, 3)).map(kindOf);
      assert.match(kinds[1] ?? "", /^eject_unhealthy_event \{"failure_type":"ACTIVE"/);
      assert.equal(kinds[2], 'add_healthy_event {"first_check":false}');
    },
  },
  {
    name: "event log: degraded and no longer",
    config: checking(logged()),
    upstream: obedient,
    run: async (t) => {
      await events(t, 1);
      say(t.upstream(), response(200, "", "x-envoy-degraded: "));
      await events(t, 2);
      say(t.upstream(), response(200));
      const kinds = (await events(t, 3)).map(kindOf);
      assert.deepEqual(kinds.slice(1), ["degraded_healthy_host {}", "no_longer_degraded_host {}"]);
    },
  },
  {
    name: "event log: a first check that fails, and with always_log_health_check_failures all of them",
    config: checking(
      logged({ always_log_health_check_failures: true, http_health_check: { path: "/x" } }),
    ),
    upstream: always(500),
    run: async (t) => {
      const kinds = (await events(t, 3)).map(kindOf);
      assert.match(
        kinds[0] ?? "",
        /^health_check_failure_event \{"failure_type":"ACTIVE","first_check":true/,
      );
      assert.match(kinds[2] ?? "", /"first_check":false/);
    },
  },
  {
    name: "event log: always_log_health_check_success, up to the threshold",
    config: checking(logged({ always_log_health_check_success: true, healthy_threshold: 3 })),
    upstream: obedient,
    run: async (t) => {
      const kinds = async (): Promise<string[]> =>
        (await allEvents(t)).map((event) => kindOf(event).split(" ")[0] ?? "");
      await events(t, 2);
      assert.deepEqual((await kinds()).slice(0, 2), [
        "add_healthy_event",
        "successful_health_check_event",
      ]);
      say(t.upstream(), response(503));
      await checks(t, { healthy: 0 });
      say(t.upstream(), response(200));
      await checks(t, { healthy: 1 });
      // What came while it was well differs from run to run.
      const list = await t.eventually(async () => {
        const found = await kinds();
        const ejected = found.indexOf("eject_unhealthy_event");
        assert.ok(ejected >= 0 && found.length > ejected + 3);
        return found.slice(ejected + 1, ejected + 4);
      });
      assert.deepEqual(list, [
        "successful_health_check_event",
        "successful_health_check_event",
        "add_healthy_event",
      ]);
    },
  },
  {
    name: "event log: event_logger's file",
    config: checking(
      check({
        event_logger: [
          {
            name: "envoy.health_check.event_sink.file",
            typed_config: {
              "@type":
                "type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink",
              event_log_path: "{folder}/events.log",
            },
          },
        ],
      }),
    ),
    upstream: obedient,
    run: async (t) => {
      assert.equal(kindOf((await events(t, 1))[0]), 'add_healthy_event {"first_check":true}');
    },
  },
];

function eds(t: CaseContext, ...upstreams: readonly string[]): void {
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
  writeFileSync(join(t.folder, "next"), JSON.stringify({ resources: [assignment] }));
  renameSync(join(t.folder, "next"), join(t.folder, "eds.json"));
}

const edsConfig = (extra: JsonObject = {}): CaseConfig =>
  http({
    clusters: [
      {
        name: "{case}-main",
        type: "EDS",
        connect_timeout: "1s",
        eds_cluster_config: {
          eds_config: { path_config_source: { path: "{folder}/eds.json" } },
        },
        health_checks: [check()],
        common_lb_config: { healthy_panic_threshold: { value: 0 } },
        ...extra,
      },
    ],
  });

const withNode = { start: false, bootstrap: { node: { id: "node", cluster: "cluster" } } };

const membership: readonly ParityCase[] = [
  {
    name: "EDS: a host that is well stays until a check fails",
    config: edsConfig(),
    upstreams: { one: obedient, two: obedient },
    own: withNode,
    run: async (t) => {
      eds(t, "one", "two");
      await t.start();
      await members(t, { healthy: 2 });
      eds(t, "one");
      await flags(t, "/pending_dynamic_removal", "two");
      await t.stats({ "cluster.{case}-main.membership_total": 2 });
      say(t.upstream("two"), response(503));
      await t.stats({
        "cluster.{case}-main.membership_total": 1,
        "cluster.{case}-main.health_check.healthy": 1,
      });
      assert.deepEqual(await ask(t, "/"), [200]);
    },
  },
  {
    name: "EDS: ignore_health_on_host_removal",
    config: edsConfig({ ignore_health_on_host_removal: true }),
    upstreams: { one: obedient, two: obedient },
    own: withNode,
    run: async (t) => {
      eds(t, "one", "two");
      await t.start();
      await members(t, { healthy: 2 });
      eds(t, "one");
      await t.stats({
        "cluster.{case}-main.membership_total": 1,
        "cluster.{case}-main.health_check.healthy": 1,
      });
    },
  },
  {
    name: "EDS: a new host is used after its first check",
    config: edsConfig(),
    upstreams: { one: obedient, two: obedient },
    own: withNode,
    run: async (t) => {
      eds(t, "one");
      await t.start();
      say(t.upstream("two"), response(503));
      eds(t, "one", "two");
      await flags(t, "/failed_active_hc", "two");
      say(t.upstream("two"), response(200));
      await members(t, { healthy: 2 });
      await answers(t, 200);
    },
  },
];

parityArea("health-checks-events", [...eventLog, ...membership]);
