import assert from "node:assert/strict";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { http, type JsonObject, route, toCluster } from "./harness/config.ts";

const ok = answer(response(200, "ok"));
const silent: Script = async (connection) => {
  await connection.request();
};
const named = (...names: readonly string[]): Record<string, Script> =>
  Object.fromEntries(names.map((name) => [name, answer(response(200, name))]));
const weighted = (clusters: readonly JsonObject[], extra: JsonObject = {}): JsonObject => ({
  route: { weighted_clusters: { clusters, ...extra } },
});
const weight = (name: string, value: number, extra: JsonObject = {}): JsonObject => ({
  name: `{case}-${name}`,
  weight: value,
  ...extra,
});

const weights: readonly ParityCase[] = [
  {
    name: "total_weight is accepted and the sum counts",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          weighted([weight("one", 1), weight("two", 3)], { total_weight: 4, header_name: "x-n" }),
        ),
      ],
    }),
    upstreams: named("one", "two"),
    run: async (t) => {
      const bodies: string[] = [];
      for (const n of ["0", "1", "3", "4"]) bodies.push((await t.get("/", `x-n: ${n}`)).body);
      assert.deepEqual(bodies, ["one", "two", "two", "one"]);
    },
  },
  {
    name: "runtime_key_prefix overrides the weights",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          weighted([weight("one", 100), weight("two", 0)], { runtime_key_prefix: "parity.{case}" }),
        ),
      ],
    }),
    upstreams: named("one", "two"),
    own: {
      bootstrap: {
        layered_runtime: {
          layers: [
            {
              name: "static",
              static_layer: { "parity.{case}.{case}-one": 0, "parity.{case}.{case}-two": 100 },
            },
          ],
        },
      },
    },
    run: async (t) => {
      for (let i = 0; i < 5; i++) assert.equal((await t.get("/")).body, "two");
    },
  },
  {
    name: "host_rewrite_literal of a weighted cluster comes before the route's",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            route: {
              host_rewrite_literal: "route.test",
              weighted_clusters: {
                clusters: [
                  weight("one", 1, { host_rewrite_literal: "one.test" }),
                  weight("two", 1),
                ],
                header_name: "x-n",
              },
            },
          },
        ),
      ],
    }),
    upstreams: named("one", "two"),
    run: async (t) => {
      await t.get("/", "x-n: 0");
      await t.get("/", "x-n: 1");
      assert.match(t.upstream("one").received, /\r\nhost: route\.test\r\n/);
      assert.match(t.upstream("one").received, /\r\nx-envoy-original-host: one\.test\r\n/);
      assert.match(t.upstream("two").received, /\r\nhost: route\.test\r\n/);
      assert.match(t.upstream("two").received, /\r\nx-envoy-original-host: host\.test\r\n/);
    },
  },
  {
    name: "host_rewrite_literal of a weighted cluster",
    config: http({
      routes: [
        route({ prefix: "/" }, weighted([weight("one", 1, { host_rewrite_literal: "one.test" })])),
      ],
    }),
    upstreams: named("one"),
    run: async (t) => {
      await t.get("/");
      assert.match(t.upstream("one").received, /\r\nhost: one\.test\r\n/);
      assert.doesNotMatch(t.upstream("one").received, /x-envoy-original-host/);
    },
  },
  ...(
    [
      ["NOT_FOUND", 404],
      ["INTERNAL_SERVER_ERROR", 500],
      ["SERVICE_UNAVAILABLE", 503],
    ] as const
  ).map(
    ([code, status]): ParityCase => ({
      name: `a weighted cluster that is not there answers ${code}`,
      config: http({
        routes: [
          route(
            { prefix: "/" },
            {
              route: {
                cluster_not_found_response_code: code,
                weighted_clusters: { clusters: [{ cluster_header: "x-cluster", weight: 1 }] },
              },
            },
          ),
        ],
      }),
      run: async (t) => {
        assert.equal((await t.get("/", "x-cluster: nobody")).status, status);
        assert.equal(await t.logLine(), `${status} NC cluster_not_found`);
      },
    }),
  ),
];

/** What a gRPC request's upstream is told: grpc-timeout, and x-envoy-expected-rq-timeout-ms; "-": nothing. */
const told: readonly (readonly [
  name: string,
  duration: JsonObject | undefined,
  asked: string,
  timeout: string,
  expected: string,
])[] = [
  ["without max_stream_duration the header passes", undefined, "500m", "500m", "2000"],
  ["the header may be asked", { grpc_timeout_header_max: "10s" }, "500m", "500m", "-"],
  ["without the header, nothing", { grpc_timeout_header_max: "10s" }, "-", "-", "-"],
  ["seconds become milliseconds", { grpc_timeout_header_max: "10s" }, "3S", "3000m", "-"],
  ["it is capped", { grpc_timeout_header_max: "1s" }, "3S", "1000m", "-"],
  ["0 is no cap", { grpc_timeout_header_max: "0s" }, "30S", "30000m", "-"],
  ["minutes", { grpc_timeout_header_max: "0s" }, "10M", "600000m", "-"],
  ["hours beyond eight digits", { grpc_timeout_header_max: "0s" }, "50000H", "3000000M", "-"],
  [
    "an offset is left to the proxy",
    { grpc_timeout_header_max: "10s", grpc_timeout_header_offset: "0.1s" },
    "500m",
    "400m",
    "-",
  ],
  ["nonsense passes", { grpc_timeout_header_max: "10s" }, "5x", "5x", "-"],
  ["nine digits pass", { grpc_timeout_header_max: "10s" }, "123456789m", "123456789m", "-"],
  ["max_stream_duration is told instead", { max_stream_duration: "10s" }, "500m", "10000m", "-"],
  ["max_stream_duration is told to gRPC", { max_stream_duration: "10s" }, "-", "10000m", "-"],
  [
    "the header over max_stream_duration",
    { max_stream_duration: "5s", grpc_timeout_header_max: "10s" },
    "7S",
    "7000m",
    "-",
  ],
  ["max_stream_duration 0 is none", { max_stream_duration: "0s" }, "500m", "500m", "-"],
  ["an empty max_stream_duration", {}, "500m", "500m", "-"],
];

const fieldOr = (head: string, name: string): string =>
  new RegExp(`\\r\\n${name}: (.*)\\r\\n`).exec(head)?.[1] ?? "-";
const duration = (config: JsonObject | undefined): JsonObject =>
  toCluster("main", {
    timeout: "2s",
    ...(config === undefined ? {} : { max_stream_duration: config }),
  });
const grpc = "content-type: application/grpc";

const durations: readonly ParityCase[] = [
  ...told.map(
    ([name, config, asked, timeout, expected]): ParityCase => ({
      name: `grpc-timeout: ${name}`,
      config: http({ routes: [route({ prefix: "/" }, duration(config))] }),
      upstream: ok,
      run: async (t) => {
        await t.get("/", grpc, ...(asked === "-" ? [] : [`grpc-timeout: ${asked}`]));
        const head = t.upstream().received;
        assert.deepEqual(
          [fieldOr(head, "grpc-timeout"), fieldOr(head, "x-envoy-expected-rq-timeout-ms")],
          [timeout, expected],
        );
      },
    }),
  ),
  {
    name: "grpc-timeout of a request that is not gRPC is left alone",
    config: http({ routes: [route({ prefix: "/" }, duration({ max_stream_duration: "10s" }))] }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "grpc-timeout: 500m");
      assert.equal(fieldOr(t.upstream().received, "grpc-timeout"), "500m");
    },
  },
  ...(
    [
      ["its own time", "50m"],
      ["rounded up", "49001u"],
      ["none left", "0m"],
    ] as const
  ).map(
    ([name, asked]): ParityCase => ({
      name: `a gRPC request ends after ${name}`,
      config: http({
        routes: [route({ prefix: "/" }, duration({ grpc_timeout_header_max: "10s" }))],
      }),
      upstream: silent,
      run: async (t) => {
        const got = await t.get("/", grpc, `grpc-timeout: ${asked}`);
        assert.equal(got.status, 200);
        assert.equal(got.header("grpc-status"), "4");
        assert.equal(got.header("grpc-message"), "downstream duration timeout");
        assert.equal(await t.logLine(), "200 - max_duration_timeout");
        await t.stats({ "http.{case}.downstream_rq_max_duration_reached": 1 });
      },
    }),
  ),
  {
    name: "with max_stream_duration the route's timeout does not count",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", {
            timeout: "0.01s",
            max_stream_duration: { max_stream_duration: "0.1s" },
          }),
        ),
      ],
    }),
    upstream: silent,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 504);
      assert.equal(await t.logLine(), "504 - max_duration_timeout");
    },
  },
];

parityArea("routing-policies", [...weights, ...durations]);
