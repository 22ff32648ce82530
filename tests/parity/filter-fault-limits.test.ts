import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster, extension, http } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import {
  abort,
  aborted,
  asked,
  counted,
  delay,
  fault,
  faultName,
  faultType,
  header,
  limited,
  ok,
  passed,
} from "./harness/fault.ts";
import { percent, timed } from "./harness/limits.ts";

const caller = (who: string): string => `x-envoy-downstream-service-cluster: ${who}`;

/** One request of each of so many downstream clusters. */
async function callers(t: CaseContext, count: number): Promise<void> {
  const client = await t.connect();
  for (let i = 0; i < count; i++)
    await client.exchange(`GET / HTTP/1.1\r\nhost: a\r\n${caller(`c${i}`)}\r\n\r\n`);
}

const accounting: readonly ParityCase[] = [
  {
    name: "counts for each downstream cluster",
    config: http({ filters: [fault({ ...delay({ fixed_delay: "0.01s" }), ...abort() })] }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", caller("web"));
      await t.get("/", caller("web"));
      await t.get("/", caller("app"));
      await t.stats({
        "http.{case}.fault.web.aborts_injected": 2,
        "http.{case}.fault.web.delays_injected": 2,
        "http.{case}.fault.app.aborts_injected": 1,
        "http.{case}.fault.aborts_injected": 3,
      });
    },
  },
  {
    name: "disable_downstream_cluster_stats",
    config: http({ filters: [fault({ ...abort(), disable_downstream_cluster_stats: true })] }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", caller("web"));
      await t.stats({ "http.{case}.fault.aborts_injected": 1 });
      assert.equal(await t.stat("http.{case}.fault.web.aborts_injected"), undefined);
    },
  },
  {
    name: "clients choose the names of downstream clusters",
    config: http({ filters: [fault(abort())] }),
    upstream: ok,
    run: async (t) => {
      await callers(t, 1001);
      await t.stats({ "http.{case}.fault.c1000.aborts_injected": 1 });
    },
    heddle: {
      difference: "Faults are counted apart for a thousand downstream clusters",
      run: async (t) => {
        await callers(t, 1001);
        await t.stats({
          "http.{case}.fault.c999.aborts_injected": 1,
          "http.{case}.fault.aborts_injected": 1001,
        });
        assert.equal(await t.stat("http.{case}.fault.c1000.aborts_injected"), undefined);
      },
    },
  },
  {
    name: "max_active_faults: further ones are counted and not injected",
    config: http({
      filters: [fault({ ...delay({ fixed_delay: "60s" }), ...abort(), max_active_faults: 1 })],
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await t.stats({ "http.{case}.fault.active_faults": 1 });
      assert.equal((await t.get("/")).status, 200);
      // The delay and the abort each.
      await t.stats({
        "http.{case}.fault.faults_overflow": 2,
        "http.{case}.fault.active_faults": 1,
      });
      client.reset();
      await t.stats({ "http.{case}.fault.active_faults": 0 });
    },
  },
  {
    name: "max_active_faults 0: none",
    config: http({ filters: [fault({ ...abort(), max_active_faults: 0 })] }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
      await t.stats(counted({ "http.{case}.fault.faults_overflow": 1 }));
    },
  },
  {
    name: "filter_metadata is there after a fault",
    config: http({
      filters: [
        extension("{case}-fault", faultType, {
          ...abort({ header_abort: {} }),
          filter_metadata: { why: "test", n: 1 },
        }),
      ],
      logFormat: `%RESPONSE_CODE% %DYNAMIC_METADATA({case}-fault:why)% %DYNAMIC_METADATA(${faultName}:why)%`,
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      await t.get("/", header("404"));
      assert.deepEqual(await t.log(2), ["200 - -", "404 test -"]);
    },
  },
];

const runtime: readonly ParityCase[] = [
  asked(
    "the runtime's percentage instead of the configured one",
    { ...abort({ http_status: 418, percentage: percent(0) }), abort_percent_runtime: "test.all" },
    [],
    418,
    aborted(418),
  ),
  asked(
    "the runtime's percentage switches off",
    { ...abort(), abort_percent_runtime: "test.none" },
    [],
    200,
    passed,
  ),
  asked(
    "the runtime's status",
    { ...abort(), abort_http_status_runtime: "test.status" },
    [],
    451,
    aborted(451),
  ),
  {
    name: "the runtime's gRPC status",
    config: http({
      filters: [fault({ ...abort({ grpc_status: 2 }), abort_grpc_status_runtime: "test.grpc" })],
    }),
    upstream: ok,
    run: async (t) => {
      const call = await t.get("/", "content-type: application/grpc");
      assert.equal(call.header("grpc-status"), "9");
    },
  },
  {
    name: "the runtime's duration and percentage of a delay",
    config: http({
      filters: [
        fault({
          ...delay({ fixed_delay: "60s", percentage: percent(0) }),
          delay_percent_runtime: "test.all",
          delay_duration_runtime: "test.duration",
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      const { elapsedMs } = await timed(() => t.get("/"));
      assert.ok(elapsedMs >= 95, `${elapsedMs} ms`);
      assert.equal(await t.logLine(), "200 DI via_upstream");
    },
  },
  asked(
    "a delay of 0 ms by the runtime is none",
    { ...delay({ fixed_delay: "60s" }), delay_duration_runtime: "test.none" },
    [],
    200,
    passed,
  ),
  asked(
    "the runtime's maximum of active faults",
    { ...abort(), max_active_faults_runtime: "test.none" },
    [],
    200,
    passed,
  ),
  {
    name: "keys of the downstream cluster come before the others",
    config: http({
      filters: [
        fault({ ...abort(), ...delay({ fixed_delay: "60s" }), abort_percent_runtime: "test.none" }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      const { result, elapsedMs } = await timed(() => t.get("/", caller("known")));
      assert.equal(result.status, 452);
      assert.ok(elapsedMs >= 95, `${elapsedMs} ms`);
    },
  },
];

const kib = 1024;
const body = "b".repeat(4 * kib);
const big = answer(response(200, body));

const rateLimits: readonly ParityCase[] = [
  {
    name: "response_rate_limit: 16 KiB/s",
    config: http({ filters: [fault(limited({ fixed_limit: { limit_kbps: 16 } }))] }),
    upstream: big,
    run: async (t) => {
      const { result, elapsedMs } = await timed(() => t.get("/"));
      assert.equal(result.body, body);
      // A quarter of a second's worth, of which the first twentieth of a second is there at once.
      assert.ok(elapsedMs >= 150, `${elapsedMs} ms`);
      await t.stats(counted({ "http.{case}.fault.response_rl_injected": 1 }));
      assert.equal(await t.logLine(), passed);
    },
  },
  {
    name: "response_rate_limit: the head does not wait for the body",
    config: http({ filters: [fault(limited({ fixed_limit: { limit_kbps: 1 } }))] }),
    upstream: big,
    run: async (t) => {
      const client = await t.connect();
      await client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await client.until("head", ({ unread }) => unread.includes("\r\n\r\n") || undefined);
      await t.stats({ "http.{case}.fault.active_faults": 1 });
      client.reset();
      await t.stats({ "http.{case}.fault.active_faults": 0 });
    },
  },
  {
    name: "response_rate_limit: trailers wait for the body",
    config: http({
      filters: [fault(limited({ fixed_limit: { limit_kbps: 16 } }))],
      manager: { http_protocol_options: { enable_trailers: true } },
      clusters: [
        cluster("main", {
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              explicit_http_config: { http_protocol_options: { enable_trailers: true } },
            },
          },
        }),
      ],
    }),
    upstream: answer(
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1000\r\n${body}\r\n0\r\nx-t: 1\r\n\r\n`,
    ),
    run: async (t) => {
      const { result, elapsedMs } = await timed(() => t.get("/"));
      assert.equal(result.body, body);
      assert.deepEqual(result.trailers, [["x-t", "1"]]);
      assert.ok(elapsedMs >= 150, `${elapsedMs} ms`);
    },
  },
  {
    name: "response_rate_limit by header",
    config: http({ filters: [fault(limited({ header_limit: {} }))] }),
    upstream: big,
    run: async (t) => {
      const throughput = "x-envoy-fault-throughput-response";
      await t.get("/");
      await t.get("/", `${throughput}: 0`);
      await t.get("/", `${throughput}: x`);
      await t.get("/", `${throughput}: 16`, `${throughput}-percentage: 0`);
      await t.stats(counted({}));
      const { elapsedMs } = await timed(() => t.get("/", `${throughput}: 16`));
      assert.ok(elapsedMs >= 150, `${elapsedMs} ms`);
      await t.stats(counted({ "http.{case}.fault.response_rl_injected": 1 }));
    },
  },
  {
    name: "response_rate_limit and a delay are one active fault",
    config: http({
      filters: [
        fault({
          ...limited({ fixed_limit: { limit_kbps: 1 } }),
          ...delay({ fixed_delay: "0.05s" }),
        }),
      ],
    }),
    upstream: big,
    run: async (t) => {
      const client = await t.connect();
      await client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await client.until("head", ({ unread }) => unread.includes("\r\n\r\n") || undefined);
      await t.stats(
        counted({
          "http.{case}.fault.active_faults": 1,
          "http.{case}.fault.delays_injected": 1,
          "http.{case}.fault.response_rl_injected": 1,
        }),
      );
    },
  },
  {
    name: "response_rate_limit: the runtime's percentage",
    config: http({
      filters: [
        fault({
          ...limited({ fixed_limit: { limit_kbps: 1 } }),
          response_rate_limit_percent_runtime: "test.none",
        }),
      ],
    }),
    upstream: big,
    run: async (t) => {
      assert.equal((await t.get("/")).body, body);
      await t.stats(counted({}));
    },
  },
];

parityArea("fault-limits", [...accounting, ...runtime, ...rateLimits], {
  bootstrap: {
    layered_runtime: {
      layers: [
        {
          name: "static",
          static_layer: {
            "test.all": 100,
            "test.none": 0,
            "test.status": 451,
            "test.grpc": 9,
            "test.duration": 100,
            "fault.http.known.abort.abort_percent": 100,
            "fault.http.known.abort.http_status": 452,
            "fault.http.known.delay.fixed_duration_ms": 100,
          },
        },
      ],
    },
  },
});
