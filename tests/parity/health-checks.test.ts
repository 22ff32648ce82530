import assert from "node:assert/strict";
import { response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { endpoint, header, type JsonObject } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import {
  answers,
  check,
  checkHttp,
  checking,
  checks,
  flags,
  members,
  obedient,
  reaches,
  say,
} from "./harness/health-checks.ts";
import { always, ask, byPath } from "./harness/outlier.ts";

/** A host that is well is asked so. */
const firstRequest = (t: { readonly upstream: () => { readonly received: string } }): string =>
  t.upstream().received.split("\r\n\r\n")[0] ?? "";

async function degradedForAWhile(t: CaseContext): Promise<void> {
  say(t.upstream(), response(200, "", "x-envoy-degraded: "));
  await members(t, { healthy: 0, degraded: 1 });
  say(t.upstream(), response(200));
  await members(t, { healthy: 1 });
}

const health: readonly ParityCase[] = [
  {
    name: "one passed check is enough for a new host, and the cluster waits for it",
    config: checking(check({ healthy_threshold: 5 })),
    upstream: obedient,
    run: async (t) => {
      assert.ok(((await t.stat("cluster.{case}-main.health_check.attempt")) ?? 0) >= 1);
      assert.deepEqual(await ask(t, "/"), [200]);
      await checks(t, { healthy: 1, degraded: 0, failure: 0 });
      await members(t, { healthy: 1 });
      await flags(t, "healthy");
    },
  },
  {
    name: "the request: the cluster's name as host, Envoy/HC",
    config: checking(check()),
    upstream: obedient,
    run: async (t) => {
      assert.equal(
        firstRequest(t),
        t.fill("GET /check HTTP/1.1\r\nhost: {case}-main\r\nuser-agent: Envoy/HC"),
      );
    },
  },
  {
    name: "a host that fails its first check is not used",
    config: checking(check({ unhealthy_threshold: 5, http_health_check: { path: "/503" } })),
    upstream: byPath,
    run: async (t) => {
      assert.deepEqual(await ask(t, "/"), [503]);
      assert.equal(await t.logLine(), "503 UH no_healthy_upstream");
      await checks(t, { healthy: 0, success: 0, network_failure: 0 });
      await members(t, { healthy: 0 });
      await flags(t, "/failed_active_hc");
    },
  },
  {
    name: "one bad answer is enough, whatever unhealthy_threshold says",
    config: checking(check({ unhealthy_threshold: 1000 })),
    upstream: obedient,
    run: async (t) => {
      assert.deepEqual(await ask(t, "/"), [200]);
      say(t.upstream(), response(500));
      await answers(t, 503);
      await checks(t, { healthy: 0, network_failure: 0 });
    },
  },
  {
    name: "retriable_statuses count towards unhealthy_threshold",
    config: checking(
      checkHttp(
        { retriable_statuses: [{ start: 500, end: 504 }] },
        { unhealthy_threshold: 1_000_000 },
      ),
    ),
    upstream: obedient,
    run: async (t) => {
      say(t.upstream(), response(503));
      await reaches(t, "failure", 3);
      await checks(t, { healthy: 1 });
      say(t.upstream(), response(504));
      await answers(t, 503);
    },
  },
  {
    name: "no answer counts towards unhealthy_threshold",
    config: checking(check({ unhealthy_threshold: 3 })),
    upstream: obedient,
    run: async (t) => {
      say(t.upstream(), "reset");
      await answers(t, 503);
      await reaches(t, "network_failure", 3);
      await flags(t, "/failed_active_hc");
    },
  },
  {
    name: "a host comes back after healthy_threshold checks",
    config: checking(check({ healthy_threshold: 3 })),
    upstream: obedient,
    run: async (t) => {
      say(t.upstream(), response(503));
      await answers(t, 503);
      say(t.upstream(), response(200));
      await answers(t, 200);
      await checks(t, { healthy: 1 });
    },
  },
  {
    name: "nothing listens there: a network failure",
    config: checking(check(), [
      { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } } },
    ]),
    run: async (t) => {
      assert.deepEqual(await ask(t, "/"), [503]);
      await reaches(t, "network_failure", 2);
      await checks(t, { success: 0, healthy: 0 });
    },
  },
  {
    name: "timeout: a failure of the network with a flag of its own",
    config: checking(check({ timeout: "0.1s", http_health_check: { path: "/hang" } })),
    upstream: byPath,
    run: async (t) => {
      await flags(t, "/failed_active_hc/active_hc_timeout");
      await reaches(t, "network_failure", 2);
    },
  },
  {
    name: "in panic a host that fails is used all the same",
    config: checking(check({ http_health_check: { path: "/503" } }), [endpoint("main")], {
      common_lb_config: {},
    }),
    upstream: byPath,
    run: async (t) => {
      assert.deepEqual(await ask(t, "/"), [200]);
      await t.stats({ "cluster.{case}-main.lb_healthy_panic": 1 });
    },
  },
  {
    name: "x-envoy-degraded: used as long as no other host is better",
    config: checking(check()),
    upstream: obedient,
    run: async (t) => {
      say(t.upstream(), response(200, "", "x-envoy-degraded: "));
      await members(t, { healthy: 0, degraded: 1 });
      await checks(t, { healthy: 1, degraded: 1 });
      await flags(t, "/degraded_active_hc");
      await answers(t, 200);
      say(t.upstream(), response(200));
      await members(t, { healthy: 1 });
    },
  },
  {
    name: "health_check.degraded when a host is no longer degraded",
    config: checking(check()),
    upstream: obedient,
    run: async (t) => {
      await degradedForAWhile(t);
      await checks(t, { healthy: 1, degraded: 1 });
    },
    heddle: {
      difference: "Hosts that are no longer degraded are not counted",
      run: async (t) => {
        await degradedForAWhile(t);
        await checks(t, { healthy: 1, degraded: 0 });
      },
    },
  },
  {
    name: "x-envoy-immediate-health-check-fail with a bad status: the host is left out",
    config: checking(check()),
    upstream: obedient,
    run: async (t) => {
      say(t.upstream(), response(503, "", "x-envoy-immediate-health-check-fail: true"));
      await flags(t, "/failed_active_hc/excluded_via_immediate_hc_fail");
      await members(t, { healthy: 0, excluded: 1 });
      say(t.upstream(), response(200));
      await flags(t, "healthy");
      await members(t, { healthy: 1 });
    },
  },
  {
    name: "x-envoy-immediate-health-check-fail with a good status says nothing",
    config: checking(check()),
    upstream: obedient,
    run: async (t) => {
      say(t.upstream(), response(200, "", "x-envoy-immediate-health-check-fail: true"));
      const before = (await t.stat("cluster.{case}-main.health_check.success")) ?? 0;
      await reaches(t, "success", before + 3);
      await flags(t, "healthy");
    },
  },
  {
    name: "x-envoy-immediate-health-check-fail in an ordinary answer",
    config: checking(check({ interval: "600s", no_traffic_interval: "600s" })),
    upstream: async (connection) => {
      while ((await connection.request()) !== undefined)
        await connection.write(response(200, "", "x-envoy-immediate-health-check-fail: true"));
    },
    run: async (t) => {
      assert.deepEqual(await ask(t, "/"), [200]);
      await checks(t, { passive_failure: 1, failure: 1, healthy: 0 });
      await flags(t, "/failed_active_hc/excluded_via_immediate_hc_fail");
      await answers(t, 503);
    },
  },
  {
    name: "a host that is left out does not count for panic",
    config: checking(check(), [endpoint("main"), endpoint("other")], {
      common_lb_config: { healthy_panic_threshold: { value: 80 } },
    }),
    upstreams: { main: always(200), other: obedient },
    run: async (t) => {
      say(t.upstream("other"), response(503, "", "x-envoy-immediate-health-check-fail: true"));
      await members(t, { healthy: 1, excluded: 1 });
      assert.deepEqual(await ask(t, "/", "/", "/"), [200, 200, 200]);
      await t.stats({ "cluster.{case}-main.lb_healthy_panic": 0 });
    },
  },
  {
    name: "a host outlier detection ejected comes back when a check passes",
    config: checking(check(), [endpoint("main")], {
      outlier_detection: {
        consecutive_5xx: 1,
        max_ejection_percent: 100,
        base_ejection_time: "600s",
        interval: "600s",
        max_ejection_time: "600s",
      },
    }),
    upstream: byPath,
    run: async (t) => {
      assert.deepEqual(await ask(t, "/500"), [500]);
      await t.stats({
        "cluster.{case}-main.outlier_detection.ejections_enforced_total": 1,
        "cluster.{case}-main.outlier_detection.ejections_active": 0,
      });
      await answers(t, 200);
    },
  },
  {
    name: "no_traffic_interval for a host that is not well, no_traffic_healthy_interval for one that is",
    config: checking(check({ interval: "600s", no_traffic_healthy_interval: "600s" })),
    upstream: async (connection, index) => {
      // The first three connections fail their checks.
      while ((await connection.request()) !== undefined) {
        if (index < 3) connection.reset();
        else await connection.write(response(200));
      }
    },
    run: async (t) => {
      await checks(t, { healthy: 1, network_failure: 3 });
    },
  },
];

const requests: readonly ParityCase[] = [
  {
    name: "host",
    config: checking(checkHttp({ host: "checks.test" })),
    upstream: obedient,
    run: async (t) => assert.match(firstRequest(t), /\r\nhost: checks\.test\r\n/),
  },
  {
    name: "health_check_config.hostname is stronger than host",
    config: checking(checkHttp({ host: "checks.test" }), [own("main", { hostname: "one.test" })]),
    upstream: obedient,
    run: async (t) => assert.match(firstRequest(t), /\r\nhost: one\.test\r\n/),
  },
  {
    name: "health_check_config.port_value",
    config: checking(check({ http_health_check: { path: "/200" } }), [
      own("main", { port_value: "{port:checked}" }),
    ]),
    upstreams: { main: always(503), checked: byPath },
    run: async (t) => {
      await flags(t, "healthy");
      assert.match(t.upstream("checked").received, /^GET \/200/);
      assert.equal(t.upstream().received, "");
    },
  },
  {
    name: "health_check_config.address",
    config: checking(check(), [
      own("main", {
        address: { socket_address: { address: "127.0.0.1", port_value: "{port:checked}" } },
      }),
    ]),
    upstreams: { main: always(503), checked: always(200) },
    run: async (t) => {
      await flags(t, "healthy");
      assert.equal(t.upstream().received, "");
    },
  },
  {
    name: "disable_active_health_check: always well",
    config: checking(check({ http_health_check: { path: "/503" } }), [
      own("main", { disable_active_health_check: true }),
    ]),
    upstream: byPath,
    run: async (t) => {
      await flags(t, "healthy");
      await members(t, { healthy: 1 });
      assert.deepEqual(await ask(t, "/"), [200]);
      await checks(t, { attempt: 0, healthy: 0 });
    },
  },
  {
    name: "method and send",
    config: checking(checkHttp({ method: "POST", send: { text: "68656c6c6f" } })),
    upstream: obedient,
    run: async (t) => {
      assert.equal(
        t.upstream().requests[0]?.raw,
        t.fill(
          "POST /check HTTP/1.1\r\nhost: {case}-main\r\nuser-agent: Envoy/HC\r\ncontent-length: 5\r\n\r\nhello",
        ),
      );
    },
  },
  {
    name: "method HEAD",
    config: checking(checkHttp({ method: "HEAD" })),
    upstream: always(200),
    run: async (t) => {
      await flags(t, "healthy");
      assert.match(firstRequest(t), /^HEAD \/check HTTP\/1\.1\r\n/);
    },
  },
  {
    name: "expected_statuses instead of 200",
    config: checking(checkHttp({ expected_statuses: [{ start: 201, end: 205 }] })),
    upstream: obedient,
    run: async (t) => {
      await flags(t, "/failed_active_hc");
      say(t.upstream(), response(201));
      await flags(t, "healthy");
    },
  },
  {
    name: "the end of a range is not in it",
    config: checking(checkHttp({ expected_statuses: [{ start: 200, end: 201 }] })),
    upstream: obedient,
    run: async (t) => {
      await flags(t, "healthy");
      say(t.upstream(), response(201));
      await flags(t, "/failed_active_hc");
    },
  },
  {
    name: "receive: blocks in their order with anything between",
    config: checking(checkHttp({ receive: [{ text: "6f6e65" }, { text: "74776f" }] })),
    upstream: obedient,
    run: async (t) => {
      await flags(t, "/failed_active_hc");
      say(t.upstream(), response(200, "-one-two-"));
      await flags(t, "healthy");
      say(t.upstream(), response(200, "-two-one-"));
      await flags(t, "/failed_active_hc");
    },
  },
  {
    name: "response_buffer_size: what comes later is not seen",
    config: checking(checkHttp({ receive: [{ text: "6f6e65" }], response_buffer_size: 5 })),
    upstream: obedient,
    run: async (t) => {
      say(t.upstream(), response(200, "--one---"));
      await flags(t, "healthy");
      say(t.upstream(), response(200, "---one"));
      await flags(t, "/failed_active_hc");
    },
  },
  {
    name: "request_headers_to_add and request_headers_to_remove",
    config: checking(
      checkHttp({
        request_headers_to_add: [
          header("x-a", "1"),
          header("x-host", "%UPSTREAM_HOST%"),
          header("x-protocol", "%PROTOCOL%"),
        ],
        request_headers_to_remove: ["user-agent"],
      }),
    ),
    upstream: obedient,
    run: async (t) => {
      const first = firstRequest(t);
      assert.match(first, /\r\nx-a: 1\r\n/);
      assert.doesNotMatch(first, /user-agent/);
      assert.match(first, /\r\nx-protocol: HTTP\/1\.1$/);
      assert.ok(first.includes(`\r\nx-host: 127.0.0.1:${t.upstream().port}\r\n`), first);
    },
  },
  {
    name: "service_name_matcher",
    config: checking(checkHttp({ service_name_matcher: { prefix: "good" } })),
    upstream: obedient,
    run: async (t) => {
      await flags(t, "/failed_active_hc");
      say(t.upstream(), response(200, "", "x-envoy-upstream-healthchecked-cluster: good-one"));
      await flags(t, "healthy");
      await reaches(t, "verify_cluster", 3);
      say(t.upstream(), response(200, "", "x-envoy-upstream-healthchecked-cluster: bad-one"));
      await flags(t, "/failed_active_hc");
    },
  },
  {
    name: "checks share a connection",
    config: checking(check()),
    upstream: obedient,
    run: async (t) => {
      await reaches(t, "success", 4);
      assert.equal(t.upstream().connections.length, 1);
    },
  },
  {
    name: "reuse_connection false: a connection for each",
    config: checking(check({ reuse_connection: false })),
    upstream: obedient,
    run: async (t) => {
      await reaches(t, "success", 4);
      assert.ok(t.upstream().connections.length >= 4);
      await checks(t, { failure: 0 });
    },
  },
  {
    name: "connection: close",
    config: checking(check()),
    upstream: obedient,
    run: async (t) => {
      say(t.upstream(), response(200, "", "connection: close"));
      const before = (await t.stat("cluster.{case}-main.health_check.success")) ?? 0;
      await reaches(t, "success", before + 3);
      assert.ok(t.upstream().connections.length >= 2);
      await checks(t, { failure: 0 });
    },
  },
  {
    name: "checks are no requests of the cluster",
    config: checking(check()),
    upstream: obedient,
    run: async (t) => {
      await reaches(t, "success", 3);
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 0,
        "cluster.{case}-main.upstream_rq_total": 0,
      });
    },
  },
];

function own(upstream: string, config: JsonObject): JsonObject {
  const { endpoint: facts } = endpoint(upstream);
  // Proof: `endpoint` makes it so.
  return { endpoint: { ...(facts as JsonObject), health_check_config: config } };
}

parityArea("health-checks", [...health, ...requests]);
