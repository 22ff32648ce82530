import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  cluster,
  direct,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import {
  abort,
  aborted,
  asked,
  counted,
  delay,
  fault,
  header,
  limited,
  ok,
  onRoute,
  passed,
} from "./harness/fault.ts";
import { percent, statuses, timed } from "./harness/limits.ts";

const aborts: readonly ParityCase[] = [
  {
    name: "abort answers with the status, a body and the flag FI",
    config: http({ filters: [fault(abort({ http_status: 503 }))] }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.equal(got.body, "fault filter abort");
      assert.equal(got.header("content-type"), "text/plain");
      assert.equal(await t.logLine(), aborted(503));
      assert.equal(t.upstream().received, "");
      await t.stats(counted({ "http.{case}.fault.aborts_injected": 1 }));
    },
  },
  {
    name: "abort with a grpc_status",
    config: http({ filters: [fault(abort({ grpc_status: 5 }))] }),
    upstream: ok,
    run: async (t) => {
      const call = await t.get("/", "content-type: application/grpc");
      assert.equal(call.status, 200);
      assert.equal(call.header("grpc-status"), "5");
      assert.equal(call.header("grpc-message"), "fault filter abort");
      const plain = await t.get("/");
      assert.equal(plain.status, 200);
      assert.equal(plain.header("grpc-status"), undefined);
      assert.equal(plain.body, "fault filter abort");
      assert.deepEqual(await t.log(2), [aborted(200), aborted(200)]);
    },
  },
  {
    name: "an HTTP abort of a gRPC call is mapped",
    config: http({ filters: [fault(abort({ http_status: 503 }))] }),
    upstream: ok,
    run: async (t) => {
      const call = await t.get("/", "content-type: application/grpc");
      assert.deepEqual([call.status, call.header("grpc-status")], [200, "14"]);
    },
  },
  {
    name: "an abort closes nothing: the connection serves on",
    config: http({ filters: [fault(abort({ header_abort: {} }))] }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const first = await client.exchange(
        "GET / HTTP/1.1\r\nhost: a\r\nx-envoy-fault-abort-request: 429\r\n\r\n",
      );
      const second = await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      assert.deepEqual([first.status, second.status], [429, 200]);
    },
  },
  asked(
    "0 percent aborts none",
    abort({ http_status: 418, percentage: percent(0) }),
    [],
    200,
    passed,
  ),
  asked("an abort without percentage is none", { abort: { http_status: 418 } }, [], 200, passed),
  {
    name: "50 percent abort about half",
    config: http({ filters: [fault(abort({ http_status: 418, percentage: percent(50) }))] }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      let count = 0;
      for (let i = 0; i < 400; i++) {
        const got = await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        if (got.status === 418) count += 1;
      }
      // Six standard deviations of 10.
      assert.ok(count > 140 && count < 260, `${count} of 400`);
    },
  },
];

const headerAborts: readonly ParityCase[] = [
  asked("header_abort without the header", abort({ header_abort: {} }), [], 200, passed),
  asked(
    "header_abort with a status",
    abort({ header_abort: {} }),
    [header("404")],
    404,
    aborted(404),
  ),
  asked(
    "header_abort of an unknown status",
    abort({ header_abort: {} }),
    [header("600")],
    200,
    passed,
  ),
  asked("header_abort of no number", abort({ header_abort: {} }), [header("abc")], 200, passed),
  asked("header_abort of 199", abort({ header_abort: {} }), [header("199")], 200, passed),
  asked(
    "header_abort takes the first of two",
    abort({ header_abort: {} }),
    [header("404"), header("500")],
    404,
    aborted(404),
  ),
  asked(
    "the header is nothing to a fixed abort",
    abort({ http_status: 418 }),
    [header("404"), "x-envoy-fault-abort-request-percentage: 0"],
    418,
    aborted(418),
  ),
  asked(
    "the percentage header lowers the percentage",
    abort({ header_abort: {} }),
    [header("404"), "x-envoy-fault-abort-request-percentage: 0"],
    200,
    passed,
  ),
  asked(
    "the percentage header does not raise it",
    abort({ header_abort: {}, percentage: percent(0) }),
    [header("404"), "x-envoy-fault-abort-request-percentage: 100"],
    200,
    passed,
  ),
  asked(
    "a percentage header that is no number is ignored",
    abort({ header_abort: {} }),
    [header("404"), "x-envoy-fault-abort-request-percentage: none"],
    404,
    aborted(404),
  ),
  {
    name: "header_abort with a gRPC status, and both",
    config: http({ filters: [fault(abort({ header_abort: {} }))] }),
    upstream: ok,
    run: async (t) => {
      const grpc = "content-type: application/grpc";
      const call = await t.get("/", grpc, "x-envoy-fault-abort-grpc-request: 7");
      assert.equal(call.header("grpc-status"), "7");
      const both = await t.get("/", grpc, "x-envoy-fault-abort-grpc-request: 7", header("404"));
      assert.equal(both.header("grpc-status"), "12");
    },
  },
];

const delays: readonly ParityCase[] = [
  {
    name: "fixed_delay holds the request, with the flag DI",
    config: http({ filters: [fault(delay())] }),
    upstream: ok,
    run: async (t) => {
      const { result, elapsedMs } = await timed(() => t.get("/"));
      assert.equal(result.body, "upstream");
      assert.ok(elapsedMs >= 195, `${elapsedMs} ms`);
      assert.equal(await t.logLine(), "200 DI via_upstream");
      await t.stats(counted({ "http.{case}.fault.delays_injected": 1 }));
    },
  },
  {
    name: "a delay, then an abort",
    config: http({ filters: [fault({ ...delay(), ...abort() })] }),
    upstream: ok,
    run: async (t) => {
      const { result, elapsedMs } = await timed(() => t.get("/"));
      assert.equal(result.status, 418);
      assert.ok(elapsedMs >= 195, `${elapsedMs} ms`);
      assert.equal(await t.logLine(), "418 DI,FI fault_filter_abort");
      await t.stats(
        counted({
          "http.{case}.fault.delays_injected": 1,
          "http.{case}.fault.aborts_injected": 1,
        }),
      );
    },
  },
  {
    name: "a delayed request's body and trailers go on behind its head",
    config: http({ filters: [fault(delay({ fixed_delay: "0.1s" }))] }),
    upstream: ok,
    run: async (t) => {
      const got = await t.send(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
      );
      assert.equal(got.status, 200);
      assert.equal(t.upstream().requests[0]?.body, "abcde");
    },
  },
  {
    name: "header_delay: so many milliseconds",
    config: http({ filters: [fault(delay({ header_delay: {} }))] }),
    upstream: ok,
    run: async (t) => {
      const slow = await timed(() => t.get("/", "x-envoy-fault-delay-request: 150"));
      assert.ok(slow.elapsedMs >= 145, `${slow.elapsedMs} ms`);
      await t.get("/");
      await t.get("/", "x-envoy-fault-delay-request: x");
      await t.get("/", "x-envoy-fault-delay-request: 0");
      await t.get(
        "/",
        "x-envoy-fault-delay-request: 60000",
        "x-envoy-fault-delay-request-percentage: 0",
      );
      assert.deepEqual(await t.log(5), ["200 DI via_upstream", passed, passed, passed, passed]);
    },
  },
  asked(
    "0 percent delay none",
    delay({ fixed_delay: "60s", percentage: percent(0) }),
    [],
    200,
    passed,
  ),
  {
    name: "a client that leaves ends its delay",
    config: http({ filters: [fault(delay({ fixed_delay: "60s" }))] }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await t.stats({
        "http.{case}.fault.active_faults": 1,
        "http.{case}.downstream_rq_active": 1,
      });
      client.reset();
      await t.stats(counted({ "http.{case}.fault.delays_injected": 1 }));
      assert.equal(await t.logLine(), "0 DI,DC downstream_remote_disconnect");
      assert.equal(t.upstream().received, "");
    },
  },
  {
    name: "the stream's idle timeout ends a delay",
    config: http({
      filters: [fault(delay({ fixed_delay: "60s" }))],
      manager: { stream_idle_timeout: "0.1s" },
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/");
      assert.deepEqual([got.status, got.body], [504, "stream timeout"]);
      assert.equal(await t.logLine(), "504 DI,SI stream_idle_timeout");
      await t.stats(counted({ "http.{case}.fault.delays_injected": 1 }));
    },
  },
  {
    name: "a delayed request larger than the buffer arrives whole",
    config: http({
      filters: [fault(delay({ fixed_delay: "0.1s" }))],
      listener: { per_connection_buffer_limit_bytes: 4096 },
    }),
    upstream: ok,
    run: async (t) => {
      const large = "l".repeat(64 * 1024);
      const got = await t.send(
        `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${large.length}\r\n\r\n${large}`,
      );
      assert.equal(got.status, 200);
      assert.equal(t.upstream().requests[0]?.body.length, large.length);
    },
  },
  {
    name: "a delay is over: it is no active fault while the upstream works",
    config: http({ filters: [fault(delay({ fixed_delay: "0.05s" }))] }),
    upstream: async (connection) => {
      await connection.request();
      // No answer: the case ends with the client.
    },
    run: async (t) => {
      const client = await t.connect();
      await client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await t.stats({ "cluster.{case}-main.upstream_rq_active": 1 });
      await t.stats(counted({ "http.{case}.fault.delays_injected": 1 }));
    },
  },
];

const matching: readonly ParityCase[] = [
  {
    name: "headers: all must match",
    config: http({
      filters: [
        fault({
          ...abort(),
          headers: [
            { name: "x-user", string_match: { exact: "me" } },
            { name: "x-b", present_match: true },
          ],
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/"], "x-user: me"), [200]);
      assert.deepEqual(await statuses(t, ["/"], "x-user: me", "x-b: 1"), [418]);
    },
  },
  {
    name: "upstream_cluster: only requests bound for it",
    config: http({
      filters: [fault({ ...abort(), upstream_cluster: "{case}-main" })],
      routes: [
        route({ prefix: "/other" }, toCluster("other")),
        route({ prefix: "/direct" }, direct("direct")),
        route(),
      ],
      clusters: [cluster("other", { load_assignment: { cluster_name: "{case}-other" } })],
    }),
    upstream: ok,
    run: async (t) =>
      assert.deepEqual(await statuses(t, ["/", "/other", "/direct"]), [418, 503, 200]),
  },
  {
    name: "downstream_nodes: only requests of these",
    config: http({ filters: [fault({ ...abort(), downstream_nodes: ["one", "two"] })] }),
    upstream: ok,
    run: async (t) => {
      const node = "x-envoy-downstream-service-node";
      assert.deepEqual(await statuses(t, ["/"]), [200]);
      assert.deepEqual(await statuses(t, ["/"], `${node}: three`), [200]);
      assert.deepEqual(await statuses(t, ["/"], `${node}: two`), [418]);
    },
  },
  {
    name: "a route's faults replace the filter's",
    config: http({
      filters: [fault(abort())],
      virtualHosts: [
        virtualHost(
          "{case}",
          ["*"],
          [
            route({ prefix: "/own" }, { ...toCluster(), ...onRoute(abort({ http_status: 404 })) }),
            route({ prefix: "/none" }, { ...toCluster(), ...onRoute({}) }),
            route(),
          ],
        ),
        virtualHost("{case}-v", ["v.test"], [route()], onRoute(abort({ http_status: 409 }))),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/own", "/none", "/"]), [404, 200, 418]);
      assert.equal((await t.send("GET / HTTP/1.1\r\nhost: v.test\r\n\r\n")).status, 409);
      await t.stats(counted({ "http.{case}.fault.aborts_injected": 3 }));
    },
  },
  {
    name: "an empty filter does nothing",
    config: http({ filters: [fault({})] }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/"], header("404")), [200]);
      await t.stats(counted({}));
    },
  },
];

const refuses = (what: string, config: JsonObject, message: RegExp): ParityCase => ({
  name: `refuses ${what}`,
  config: http({ filters: [fault(config)] }),
  upstream: ok,
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1);
    assert.match(output, message);
  },
});

const refusals: readonly ParityCase[] = [
  refuses("a status below 200", abort({ http_status: 199 }), /http_?status/i),
  refuses("an abort of no kind", abort({}), /error_type|http_status/i),
  refuses("a rate of nothing", limited({ fixed_limit: {} }), /limit_?kbps/i),
];

parityArea("fault", [...aborts, ...headerAborts, ...delays, ...matching, ...refusals]);
