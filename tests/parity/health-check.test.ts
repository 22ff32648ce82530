import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster, endpoint, extension, http, type JsonObject } from "./harness/config.ts";

const path = (exact: string): JsonObject => ({ name: ":path", string_match: { exact } });
const healthCheck = (config: JsonObject): JsonObject =>
  extension(
    "envoy.filters.http.health_check",
    "envoy.extensions.filters.http.health_check.v3.HealthCheck",
    { pass_through_mode: false, headers: [path("/health")], ...config },
  );
const ok = answer(response(200, "upstream"));
const healthy = "x-envoy-upstream-healthchecked-cluster";

const members = (name: string, total: number, unhealthy: number): JsonObject =>
  cluster(name, {
    load_assignment: {
      cluster_name: `{case}-${name}`,
      endpoints: [
        {
          lb_endpoints: Array.from({ length: total }, (_, index) =>
            endpoint("main", {
              endpoint: {
                address: { socket_address: { address: `127.0.0.${index + 1}`, port_value: 9 } },
              },
              health_status: index < unhealthy ? "UNHEALTHY" : "HEALTHY",
            }),
          ),
        },
      ],
    },
  });

const answeredHere: readonly ParityCase[] = [
  {
    name: "answers the health check itself, and forwards the rest",
    config: http({
      filters: [healthCheck({})],
      logFormat: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %PROTOCOL%",
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/health");
      assert.equal(got.status, 200);
      assert.equal(got.body, "");
      assert.equal(got.header(healthy), "");
      assert.equal(await t.logLine(), "200 - health_check_ok HTTP/1.1");
      const other = await t.get("/health?x");
      assert.equal(other.body, "upstream");
      assert.equal(other.header(healthy), undefined);
    },
  },
  {
    name: "reads the whole request before it answers",
    config: http({ filters: [healthCheck({})] }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(
        "POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
      );
      assert.equal(got.status, 200);
      const chunked = await client.exchange(
        "POST /health HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-a: 1\r\n\r\n",
      );
      assert.equal(chunked.status, 200);
    },
  },
  {
    name: "all header matchers must match",
    config: http({
      filters: [healthCheck({ headers: [path("/health"), { name: "x-a", present_match: true }] })],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/health")).body, "upstream");
      assert.equal((await t.get("/health", "x-a: 1")).body, "");
    },
  },
  {
    name: "no header matcher: every request is one",
    config: http({ filters: [healthCheck({ headers: [] })] }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/any")).body, ""),
  },
  {
    name: "health checks are not logged by not_health_check_filter",
    config: http({
      filters: [healthCheck({})],
      manager: {
        access_log: [
          {
            ...extension(
              "envoy.access_loggers.file",
              "envoy.extensions.access_loggers.file.v3.FileAccessLog",
              {
                path: "{log}",
                log_format: { text_format_source: { inline_string: "%REQ(:PATH)%\n" } },
              },
            ),
            filter: { not_health_check_filter: {} },
          },
        ],
      },
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/health");
      await t.get("/other");
      assert.deepEqual(await t.log(), ["/other"]);
      await t.stats({
        "http.{case}.downstream_rq_2xx": 1,
        "http.{case}.downstream_rq_completed": 1,
        "http.{case}.downstream_rq_total": 2,
      });
    },
  },
];

const minimum = (
  name: string,
  config: JsonObject,
  clusters: readonly JsonObject[],
  status: number,
  line: string,
): ParityCase => ({
  name: `cluster_min_healthy_percentages: ${name}`,
  config: http({ filters: [healthCheck({ cluster_min_healthy_percentages: config })], clusters }),
  upstream: ok,
  run: async (t) => {
    assert.equal((await t.get("/health")).status, status);
    assert.equal(await t.logLine(), line);
  },
});

const percentages: readonly ParityCase[] = [
  minimum(
    "enough",
    { "{case}-c": { value: 50 } },
    [members("c", 4, 2)],
    200,
    "200 - health_check_ok_cluster_healthy",
  ),
  minimum(
    "too few",
    { "{case}-c": { value: 51 } },
    [members("c", 4, 2)],
    503,
    "503 LH health_check_failed_cluster_unhealthy",
  ),
  minimum(
    "empty",
    { "{case}-c": { value: 1 } },
    [members("c", 0, 0)],
    503,
    "503 LH health_check_failed_cluster_empty",
  ),
  minimum(
    "empty and 0 %",
    { "{case}-c": { value: 0 } },
    [members("c", 0, 0)],
    200,
    "200 - health_check_ok_cluster_healthy",
  ),
  minimum(
    "no such cluster",
    { "{case}-no": { value: 0 } },
    [],
    503,
    "503 LH health_check_failed_no_cluster_found",
  ),
];

const passThrough: readonly ParityCase[] = [
  {
    name: "pass_through_mode forwards health checks",
    config: http({ filters: [healthCheck({ pass_through_mode: true })] }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/health");
      assert.equal(got.body, "upstream");
      assert.equal(got.header(healthy), "");
      assert.equal(await t.logLine(), "200 - via_upstream");
    },
  },
  {
    name: "cache_time keeps the answer",
    config: http({ filters: [healthCheck({ pass_through_mode: true, cache_time: "1000s" })] }),
    upstream: answer(response(503, "bad", "x-envoy-degraded: 1")),
    run: async (t) => {
      const first = await t.get("/health");
      assert.equal(first.body, "bad");
      const second = await t.get("/health");
      assert.equal(second.status, 503);
      assert.equal(second.body, "");
      assert.equal((await t.log(2))[1], "503 LH health_check_cached");
      assert.equal(t.upstream().requests.length, 1);
    },
  },
  {
    name: "cache_time without pass_through_mode is refused",
    config: http({ filters: [healthCheck({ cache_time: "1s" })] }),
    upstream: ok,
    own: { start: false },
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1);
      assert.match(output, /cache_time/);
    },
  },
  {
    name: "cluster_min_healthy_percentages with pass_through_mode is accepted",
    config: http({
      filters: [
        healthCheck({
          pass_through_mode: true,
          cluster_min_healthy_percentages: { "{case}-main": { value: 1 } },
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/health")).body, "upstream"),
  },
];

const failed: readonly ParityCase[] = [false, true].map((pass) => ({
  name: `after /healthcheck/fail health checks fail${pass ? ", passed through or not" : ""}`,
  config: http({ filters: [healthCheck({ pass_through_mode: pass })] }),
  upstream: ok,
  own: { arguments: ["--service-cluster", "svc"] },
  run: async (t) => {
    assert.equal((await t.get("/health")).header(healthy), "svc");
    assert.equal((await t.admin("/healthcheck/fail", "POST")).status, 200);
    const got = await t.get("/health");
    assert.equal(got.status, 503);
    const other = await t.get("/other");
    assert.equal(other.body, "upstream");
    assert.equal(other.header("x-envoy-immediate-health-check-fail"), "true");
    assert.equal((await t.log(2))[1], "503 LH health_check_failed");
    assert.equal((await t.admin("/healthcheck/ok", "POST")).status, 200);
    assert.equal((await t.get("/health")).status, 200);
  },
}));

parityArea("health-check", [...answeredHere, ...percentages, ...passThrough, ...failed]);
