import assert from "node:assert/strict";
import { answer, byHand, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  cluster,
  direct,
  extension,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { upstreamCodec } from "./harness/http1.ts";
import { perRoute, timed } from "./harness/limits.ts";

const name = "envoy.filters.http.bandwidth_limit";
const type = "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit";
const kib = 1024;
const both = "REQUEST_AND_RESPONSE";
const limit = (config: JsonObject): JsonObject => ({
  stat_prefix: "{case}",
  limit_kbps: 16,
  ...config,
});
const limiter = (config: JsonObject): JsonObject => extension(name, type, limit(config));
const onRoute = (config: JsonObject): JsonObject => perRoute(name, type, limit(config));
const stat = (what: string): string => `{case}.http_bandwidth_limit.${what}`;
const stats = (values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).map(([what, value]) => [stat(what), value]));
/** A second's worth may be there at once; the rest is a quarter of a second's. */
const body = "b".repeat(20 * kib);
const big = answer(response(200, body));
const post = (path = "/"): string =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const heldMs = 240;

const directions: readonly ParityCase[] = [
  {
    name: "RESPONSE: the answer's body is held back, the request's is not",
    config: http({ filters: [limiter({ enable_mode: "RESPONSE" })] }),
    upstream: big,
    run: async (t) => {
      const { result, elapsedMs } = await timed(() => t.send(post()));
      assert.equal(result.body, body);
      assert.equal(t.upstream().requests[0]?.body, body);
      assert.ok(elapsedMs >= heldMs, `${elapsedMs} ms`);
      await t.stats(
        stats({
          request_enabled: 0,
          request_incoming_total_size: 0,
          response_enabled: 1,
          response_incoming_total_size: body.length,
          response_allowed_total_size: body.length,
          response_pending: 0,
        }),
      );
      assert.ok(Number(await t.stat(stat("response_enforced"))) >= 1);
    },
  },
  {
    name: "REQUEST: the request's body is held back",
    config: http({ filters: [limiter({ enable_mode: "REQUEST" })] }),
    upstream: big,
    run: async (t) => {
      const { result, elapsedMs } = await timed(() => t.send(post()));
      assert.equal(result.body, body);
      assert.equal(t.upstream().requests[0]?.body, body);
      assert.ok(elapsedMs >= heldMs, `${elapsedMs} ms`);
      await t.stats(
        stats({
          request_enabled: 1,
          request_incoming_total_size: body.length,
          request_allowed_total_size: body.length,
          request_pending: 0,
          response_enabled: 0,
          response_incoming_total_size: 0,
        }),
      );
      assert.ok(Number(await t.stat(stat("request_enforced"))) >= 1);
    },
  },
  {
    name: "both directions share the bucket",
    config: http({ filters: [limiter({ enable_mode: both })] }),
    upstream: big,
    run: async (t) => {
      const { elapsedMs } = await timed(() => t.send(post()));
      assert.ok(elapsedMs >= 1450, `${elapsedMs} ms`);
      await t.stats(
        stats({
          request_enabled: 1,
          response_enabled: 1,
          request_allowed_total_size: body.length,
          response_allowed_total_size: body.length,
        }),
      );
    },
  },
  {
    name: "all streams share the bucket",
    config: http({ filters: [limiter({ enable_mode: "RESPONSE" })] }),
    upstream: big,
    run: async (t) => {
      const { elapsedMs } = await timed(() => Promise.all([t.get("/"), t.get("/")]));
      assert.ok(elapsedMs >= 1450, `${elapsedMs} ms`);
    },
  },
  {
    name: "disabled unless told otherwise",
    config: http({ filters: [extension(name, type, { stat_prefix: "{case}", limit_kbps: 1 })] }),
    upstream: big,
    run: async (t) => {
      assert.equal((await t.send(post())).body, body);
      await t.stats(stats({ request_enabled: 0, response_enabled: 0, response_enforced: 0 }));
    },
  },
  {
    name: "runtime_enabled off",
    config: http({
      filters: [
        limiter({
          limit_kbps: 1,
          enable_mode: both,
          runtime_enabled: { default_value: true, runtime_key: "test.off" },
        }),
      ],
    }),
    upstream: big,
    run: async (t) => {
      assert.equal((await t.send(post())).body, body);
      await t.stats(stats({ request_enabled: 0, response_enabled: 0 }));
    },
  },
  {
    name: "bodies below the limit are enabled and not enforced",
    config: http({ filters: [limiter({ limit_kbps: 10_000, enable_mode: both })] }),
    upstream: big,
    run: async (t) => {
      assert.equal((await t.send(post())).body, body);
      await t.stats(
        stats({
          request_enabled: 1,
          response_enabled: 1,
          request_enforced: 0,
          response_enforced: 0,
          request_allowed_total_size: body.length,
          response_allowed_total_size: body.length,
          request_pending: 0,
          response_pending: 0,
        }),
      );
    },
  },
  {
    name: "messages without body",
    config: http({ filters: [limiter({ limit_kbps: 1, enable_mode: both })] }),
    upstream: answer(response(200)),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
      await t.stats(
        stats({
          request_enabled: 1,
          response_enabled: 1,
          request_incoming_total_size: 0,
          response_incoming_total_size: 0,
          request_pending: 0,
          response_pending: 0,
        }),
      );
    },
  },
  {
    name: "the proxy's own answers are limited too",
    config: http({
      filters: [limiter({ enable_mode: "RESPONSE" })],
      routes: [route({ prefix: "/" }, direct(body))],
      routeConfig: { max_direct_response_body_size_bytes: body.length },
    }),
    run: async (t) => {
      const { result, elapsedMs } = await timed(() => t.get("/"));
      assert.equal(result.body, body);
      assert.ok(elapsedMs >= heldMs, `${elapsedMs} ms`);
      await t.stats(stats({ response_enabled: 1, response_allowed_total_size: body.length }));
    },
  },
  {
    name: "fill_interval",
    config: http({ filters: [limiter({ enable_mode: "RESPONSE", fill_interval: "0.2s" })] }),
    upstream: big,
    run: async (t) => {
      const { elapsedMs } = await timed(() => t.get("/"));
      // After one interval a fifth of a second's worth is there, after two enough.
      assert.ok(elapsedMs >= 390, `${elapsedMs} ms`);
      assert.ok(Number(await t.stat(stat("response_enforced"))) >= 2);
    },
  },
];

const chunked = (trailer = ""): string =>
  `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5000\r\n${body}\r\n0\r\n${trailer}\r\n`;
const withTrailers = (config: JsonObject): ReturnType<typeof http> =>
  http({
    filters: [limiter({ enable_response_trailers: true, ...config })],
    manager: { http_protocol_options: { enable_trailers: true } },
    clusters: [upstreamCodec({ enable_trailers: true })],
  });
const names = (found: readonly (readonly [string, string])[]): readonly string[] =>
  found.map(([field]) => field).sort();

const trailers: readonly ParityCase[] = [
  {
    name: "response trailers say how long it took",
    config: withTrailers({ enable_mode: both }),
    upstream: answer(chunked()),
    run: async (t) => {
      const got = await t.send(post());
      assert.equal(got.body, body);
      assert.deepEqual(names(got.trailers), [
        "bandwidth-request-delay-ms",
        "bandwidth-request-filter-delay-ms",
        "bandwidth-response-delay-ms",
        "bandwidth-response-filter-delay-ms",
      ]);
      const values = got.trailers.map(([, value]) => Number(value));
      for (const value of values) assert.ok(value >= 200, `${value} ms`);
    },
  },
  {
    name: "response trailers with a prefix, behind those of the upstream",
    config: withTrailers({ enable_mode: "RESPONSE", response_trailer_prefix: "x-t" }),
    upstream: answer(chunked("x-own: 1\r\n")),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.body, body);
      assert.deepEqual(
        got.trailers.map(([field]) => field),
        ["x-own", "x-t-bandwidth-response-delay-ms", "x-t-bandwidth-response-filter-delay-ms"],
      );
    },
  },
  {
    name: "no trailers when only requests are limited",
    config: withTrailers({ enable_mode: "REQUEST" }),
    upstream: answer(chunked()),
    run: async (t) => assert.deepEqual((await t.send(post())).trailers, []),
  },
  {
    name: "no trailers with a content-length",
    config: withTrailers({ enable_mode: "RESPONSE" }),
    upstream: big,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      assert.equal(got.body, body);
      assert.deepEqual(got.trailers, []);
      assert.equal((await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n")).status, 200);
    },
  },
  {
    name: "a request's trailers wait for its body",
    config: http({
      filters: [limiter({ enable_mode: "REQUEST" })],
      manager: { http_protocol_options: { enable_trailers: true } },
      clusters: [upstreamCodec({ enable_trailers: true })],
    }),
    upstream: big,
    run: async (t) => {
      const { elapsedMs } = await timed(() =>
        t.send(
          `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5000\r\n${body}\r\n0\r\nx-t: 1\r\n\r\n`,
        ),
      );
      assert.ok(elapsedMs >= heldMs, `${elapsedMs} ms`);
      assert.deepEqual(t.upstream().requests[0]?.trailers, [["x-t", "1"]]);
      assert.equal(t.upstream().requests[0]?.body, body);
    },
  },
];

const routes: readonly ParityCase[] = [
  {
    name: "a route has its own limit and stats",
    config: http({
      filters: [limiter({ limit_kbps: 1, enable_mode: both })],
      virtualHosts: [
        virtualHost(
          "{case}",
          ["*"],
          [
            route(
              { prefix: "/free" },
              {
                ...toCluster(),
                ...onRoute({ stat_prefix: "{case}-free", enable_mode: "DISABLED" }),
              },
            ),
            route(
              { prefix: "/own" },
              {
                ...toCluster(),
                ...onRoute({ stat_prefix: "{case}-own", enable_mode: "RESPONSE" }),
              },
            ),
            route(),
          ],
        ),
      ],
    }),
    upstream: big,
    run: async (t) => {
      assert.equal((await t.send(post("/free"))).body, body);
      const { elapsedMs } = await timed(() => t.send(post("/own")));
      assert.ok(elapsedMs >= heldMs, `${elapsedMs} ms`);
      await t.stats({
        ...stats({ request_enabled: 0, response_enabled: 0 }),
        "{case}-free.http_bandwidth_limit.response_enabled": 0,
        "{case}-own.http_bandwidth_limit.request_enabled": 0,
        "{case}-own.http_bandwidth_limit.response_enabled": 1,
      });
    },
  },
];

const large = "l".repeat(512 * kib);
const small: JsonObject = { per_connection_buffer_limit_bytes: 16 * kib };

const backpressure: readonly ParityCase[] = [
  {
    name: "an answer that waits holds the upstream back",
    config: http({
      filters: [limiter({ limit_kbps: 1, enable_mode: "RESPONSE" })],
      listener: small,
      clusters: [cluster("main", small)],
    }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      const upstream = await t.upstream().connection();
      await upstream.request();
      // It may never be taken whole: nobody waits for that.
      void upstream.write(response(200, large));
      await t.eventually(async () =>
        assert.ok(
          Number(await t.stat("cluster.{case}-main.upstream_flow_control_paused_reading_total")) >=
            1,
        ),
      );
      assert.equal(await t.stat(stat("response_pending")), 1);
      const held = Number(await t.stat(stat("response_incoming_total_size")));
      assert.ok(held < large.length, `${held} bytes`);
      client.reset();
      await t.stats({ "cluster.{case}-main.upstream_rq_active": 0 });
    },
  },
  {
    name: "a request that waits holds the client back",
    config: http({
      filters: [limiter({ limit_kbps: 1, enable_mode: "REQUEST" })],
      listener: small,
    }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      void client.write(
        `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${large.length}\r\n\r\n${large}`,
      );
      await t.eventually(async () =>
        assert.ok(
          Number(await t.stat("http.{case}.downstream_flow_control_paused_reading_total")) >= 1,
        ),
      );
      const held = Number(await t.stat(stat("request_incoming_total_size")));
      assert.ok(held < large.length, `${held} bytes`);
    },
  },
  {
    name: "a large answer arrives whole, through small buffers",
    config: http({
      filters: [limiter({ limit_kbps: 400, enable_mode: "RESPONSE" })],
      listener: small,
    }),
    upstream: answer(response(200, large)),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.body.length, large.length);
      await t.stats(
        stats({
          response_incoming_total_size: large.length,
          response_allowed_total_size: large.length,
          response_pending: 0,
        }),
      );
    },
  },
];

/** A client that leaves while its answer waits. */
async function leave(t: CaseContext): Promise<void> {
  const client = await t.connect();
  await client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await t.stats(stats({ response_pending: 1 }));
  client.reset();
  await t.stats({ "http.{case}.downstream_rq_active": 0 });
}

const differences: readonly ParityCase[] = [
  {
    name: "a stream that ends early is pending for ever",
    config: http({ filters: [limiter({ limit_kbps: 1, enable_mode: "RESPONSE" })] }),
    upstream: big,
    run: async (t) => {
      await leave(t);
      await t.stats(stats({ response_pending: 1 }));
    },
    heddle: {
      difference: "bandwidth_limit forgets streams that end early",
      run: async (t) => {
        await leave(t);
        await t.stats(stats({ response_pending: 0 }));
      },
    },
  },
  {
    name: "no limit at all",
    config: http({
      filters: [extension(name, type, { stat_prefix: "{case}", enable_mode: "RESPONSE" })],
    }),
    upstream: big,
    run: leave,
    heddle: {
      difference: "bandwidth_limit without a limit limits nothing",
      run: async (t) => assert.equal((await t.get("/")).body, body),
    },
  },
];

const refuses = (what: string, config: JsonObject, message: RegExp): ParityCase => ({
  name: `refuses ${what}`,
  config: http({ filters: [limiter(config)] }),
  upstream: big,
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1);
    assert.match(output, message);
  },
});

const refusals: readonly ParityCase[] = [
  refuses("a fill interval below 20 ms", { fill_interval: "0.019s" }, /fill_?interval/i),
  {
    name: "refuses a route's limit without limit_kbps",
    config: http({
      filters: [limiter({})],
      routes: [
        route(
          { prefix: "/" },
          {
            ...toCluster(),
            typed_per_filter_config: {
              [name]: { "@type": `type.googleapis.com/${type}`, stat_prefix: "a" },
            },
          },
        ),
      ],
    }),
    upstream: big,
    own: { start: false },
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1);
      assert.match(output, /limit must be set for per route filter config/);
    },
  },
];

parityArea(
  "bandwidth-limit",
  [...directions, ...trailers, ...routes, ...backpressure, ...differences, ...refusals],
  {
    bootstrap: {
      layered_runtime: { layers: [{ name: "static", static_layer: { "test.off": false } }] },
    },
  },
);
