import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  direct,
  extension,
  header,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import { percent, statuses } from "./harness/limits.ts";
import {
  bucket,
  limit,
  limiter,
  limitName,
  limitOnRoute,
  limitStats,
  limitType,
  ok,
} from "./harness/local-ratelimit.ts";

const limitedLine = "429 RL local_rate_limited";
const passedLine = "200 - via_upstream";
const share = (numerator: number): JsonObject => ({ default_value: percent(numerator) });

const basics: readonly ParityCase[] = [
  {
    name: "a request costs a token; without one it is answered 429",
    config: http({ filters: [limiter({ token_bucket: bucket(2) })] }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/", "/"]), [200, 200]);
      const got = await t.get("/");
      assert.equal(got.status, 429);
      assert.equal(got.body, "local_rate_limited");
      assert.equal(got.header("content-type"), "text/plain");
      assert.equal(got.header("x-envoy-ratelimited"), undefined);
      assert.deepEqual(await t.log(3), [passedLine, passedLine, limitedLine]);
      await t.stats(limitStats(3, 2, 1, 1));
    },
  },
  {
    name: "tokens come back",
    config: http({
      filters: [limiter({ token_bucket: { max_tokens: 1, fill_interval: "0.5s" } })],
    }),
    upstream: ok,
    run: async (t) => {
      const until = async (wanted: number): Promise<void> =>
        t.eventually(async () => assert.equal((await t.get("/")).status, wanted));
      await until(429);
      await until(200);
      await until(429);
    },
  },
  {
    name: "no connection is closed",
    config: http({ filters: [limiter()] }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const found: number[] = [];
      for (let i = 0; i < 3; i++)
        found.push((await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n")).status);
      assert.deepEqual(found, [200, 429, 429]);
    },
  },
  {
    name: "not enabled: nothing is counted",
    config: http({ filters: [limiter({ token_bucket: bucket(1), filter_enabled: share(0) })] }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/", "/"]), [200, 200]);
      await t.stats(limitStats(0, 0, 0, 0));
    },
  },
  {
    name: "filter_enabled is 0 percent unless given",
    config: http({
      filters: [
        extension(limitName, limitType, {
          stat_prefix: "{case}",
          token_bucket: bucket(1),
          filter_enforced: share(100),
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/", "/"]), [200, 200]);
      await t.stats(limitStats(0, 0, 0, 0));
    },
  },
  {
    name: "not enforced: counted, and the upstream is told",
    config: http({
      filters: [
        limiter({
          filter_enforced: share(0),
          request_headers_to_add_when_not_enforced: [
            header("x-limited", "yes"),
            header("x-limited", "%REQ(:PATH)%", "APPEND_IF_EXISTS_OR_ADD"),
          ],
          response_headers_to_add: [header("x-never", "1")],
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/first");
      const got = await t.get("/second");
      assert.equal(got.status, 200);
      assert.equal(got.header("x-never"), undefined);
      const values = t
        .upstream()
        .requests.map(({ fields }) =>
          fields.filter(([name]) => name === "x-limited").map(([, value]) => value),
        );
      assert.deepEqual(values, [[], ["yes", "/second"]]);
      await t.stats(limitStats(2, 1, 1, 0));
    },
  },
  {
    name: "filter_enforced is 0 percent unless given",
    config: http({
      filters: [
        extension(limitName, limitType, {
          stat_prefix: "{case}",
          token_bucket: bucket(1),
          filter_enabled: share(100),
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/", "/"]), [200, 200]);
      await t.stats(limitStats(2, 1, 1, 0));
    },
  },
  {
    name: "half of the requests are enforced",
    config: http({
      filters: [limiter({ token_bucket: bucket(1), filter_enforced: share(50) })],
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      let refused = 0;
      for (let i = 0; i < 401; i++) {
        const got = await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        if (got.status === 429) refused += 1;
      }
      // Six standard deviations of 10.
      assert.ok(refused > 140 && refused < 260, `${refused} of 400`);
      await t.stats(limitStats(401, 1, 400, refused));
    },
  },
  {
    name: "the runtime's shares",
    config: http({
      filters: [
        limiter({
          filter_enabled: { ...share(0), runtime_key: "test.all" },
          filter_enforced: { ...share(100), runtime_key: "test.none" },
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/", "/"]), [200, 200]);
      await t.stats(limitStats(2, 1, 1, 0));
    },
  },
  {
    name: "status and response headers",
    config: http({
      filters: [
        limiter({
          token_bucket: bucket(0),
          status: { code: "ServiceUnavailable" },
          response_headers_to_add: [
            header("x-limited", "%REQ(:PATH)%"),
            header("x-limited", "again", "APPEND_IF_EXISTS_OR_ADD"),
          ],
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/p");
      assert.equal(got.status, 503);
      const values = got.fields.filter(([name]) => name === "x-limited").map(([, value]) => value);
      assert.deepEqual(values, ["/p", "again"]);
      assert.equal(await t.logLine(), "503 RL local_rate_limited");
    },
  },
  {
    name: "a status below 400 is 429",
    config: http({ filters: [limiter({ token_bucket: bucket(0), status: { code: "Found" } })] }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/")).status, 429),
  },
  {
    name: "gRPC: UNAVAILABLE",
    config: http({ filters: [limiter({ token_bucket: bucket(0) })] }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/", "content-type: application/grpc");
      assert.deepEqual(
        [got.status, got.header("grpc-status"), got.header("grpc-message")],
        [200, "14", "local_rate_limited"],
      );
    },
  },
  {
    name: "gRPC: RESOURCE_EXHAUSTED when asked for",
    config: http({
      filters: [limiter({ token_bucket: bucket(0), rate_limited_as_resource_exhausted: true })],
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/", "content-type: application/grpc");
      assert.deepEqual([got.status, got.header("grpc-status")], [200, "8"]);
    },
  },
  {
    name: "no bucket at all",
    config: http({
      filters: [
        extension(limitName, limitType, {
          stat_prefix: "{case}",
          filter_enabled: share(100),
          filter_enforced: share(100),
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/", "/"]), [200, 200]);
      await t.stats(limitStats(2, 2, 0, 0));
    },
  },
  {
    name: "two filters have a bucket each",
    config: http({
      filters: [
        limiter({ token_bucket: bucket(3), stat_prefix: "{case}-a" }),
        extension("second", limitType, limit({ stat_prefix: "{case}-b" })),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/", "/", "/", "/"]), [200, 429, 429, 429]);
      await t.stats({
        ...limitStats(4, 3, 1, 1, "{case}-a"),
        ...limitStats(3, 1, 2, 2, "{case}-b"),
      });
    },
  },
];

const connections: readonly ParityCase[] = [
  {
    name: "a bucket for each connection",
    config: http({ filters: [limiter({ local_rate_limit_per_downstream_connection: true })] }),
    upstream: ok,
    run: async (t) => {
      for (let i = 0; i < 2; i++) {
        const client = await t.connect();
        const found: number[] = [];
        for (let j = 0; j < 2; j++)
          found.push((await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n")).status);
        assert.deepEqual(found, [200, 429]);
      }
    },
  },
  {
    name: "a connection's bucket is of the configuration that asked first",
    config: http({
      filters: [limiter({ local_rate_limit_per_downstream_connection: true })],
      routes: [
        route(
          { prefix: "/three" },
          {
            ...toCluster(),
            ...limitOnRoute({
              token_bucket: bucket(3),
              local_rate_limit_per_downstream_connection: true,
            }),
          },
        ),
        route(),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const found: number[] = [];
      for (const path of ["/three", "/", "/", "/three"])
        found.push((await client.exchange(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`)).status);
      assert.deepEqual(found, [200, 200, 200, 429]);
    },
  },
];

const routes: readonly ParityCase[] = [
  {
    name: "a route has its own bucket, status and stats",
    config: http({
      filters: [limiter({ token_bucket: bucket(100) })],
      routes: [
        route(
          { prefix: "/own" },
          {
            ...toCluster(),
            ...limitOnRoute({ stat_prefix: "{case}-own", status: { code: "Forbidden" } }),
          },
        ),
        route(),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(await statuses(t, ["/own", "/own", "/", "/"]), [200, 403, 200, 200]);
      await t.stats({ ...limitStats(2, 2, 0, 0), ...limitStats(2, 1, 1, 1, "{case}-own") });
    },
  },
  {
    name: "a virtual host's routes share its bucket",
    config: http({
      filters: [limiter({ token_bucket: bucket(100) })],
      virtualHosts: [
        virtualHost(
          "{case}",
          ["*"],
          [route({ prefix: "/a" }), route({ prefix: "/b" }, direct("b"))],
          limitOnRoute({ token_bucket: bucket(2) }),
        ),
      ],
    }),
    upstream: ok,
    run: async (t) => assert.deepEqual(await statuses(t, ["/a", "/b", "/a"]), [200, 200, 429]),
  },
  {
    name: "a route turns the limit off",
    config: http({
      filters: [limiter({ token_bucket: bucket(0) })],
      routes: [
        route(
          { prefix: "/free" },
          { ...toCluster(), ...limitOnRoute({ filter_enabled: share(0) }) },
        ),
        route(),
      ],
    }),
    upstream: ok,
    run: async (t) => assert.deepEqual(await statuses(t, ["/free", "/"]), [200, 429]),
  },
  {
    name: "a filter without bucket for routes that have one",
    config: http({
      filters: [extension(limitName, limitType, { stat_prefix: "{case}" })],
      routes: [route({ prefix: "/own" }, { ...toCluster(), ...limitOnRoute({}) }), route()],
    }),
    upstream: ok,
    run: async (t) =>
      assert.deepEqual(await statuses(t, ["/own", "/own", "/", "/"]), [200, 429, 200, 200]),
  },
];

/** The three fields, as of now. */
const left = (got: { header(name: string): string | undefined }): readonly (string | undefined)[] =>
  ["limit", "remaining", "reset"].map((name) => got.header(`x-ratelimit-${name}`));

const reported: readonly ParityCase[] = [
  {
    name: "x-ratelimit-*: of the default bucket",
    config: http({
      filters: [
        limiter({ token_bucket: bucket(2), enable_x_ratelimit_headers: "DRAFT_VERSION_03" }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(left(await t.get("/")), ["2", "1", "0"]);
      const [max, remaining, reset] = left(await t.get("/"));
      assert.deepEqual([max, remaining], ["2", "0"]);
      // Seconds until there is a token again, rounded up.
      assert.ok(Number(reset) > 3500 && Number(reset) <= 3600, `${reset} s`);
      const third = await t.get("/");
      assert.equal(third.status, 429);
      assert.deepEqual(left(third).slice(0, 2), ["2", "0"]);
    },
  },
  {
    name: "x-ratelimit-*: off unless asked for",
    config: http({ filters: [limiter()] }),
    upstream: ok,
    run: async (t) => {
      assert.deepEqual(left(await t.get("/")), [undefined, undefined, undefined]);
      assert.deepEqual(left(await t.get("/")), [undefined, undefined, undefined]);
    },
  },
  {
    name: "x-ratelimit-*: not when the filter is not enabled",
    config: http({
      filters: [
        limiter({ filter_enabled: share(0), enable_x_ratelimit_headers: "DRAFT_VERSION_03" }),
      ],
    }),
    upstream: ok,
    run: async (t) => assert.deepEqual(left(await t.get("/")), [undefined, undefined, undefined]),
  },
  {
    name: "x-ratelimit-*: behind what the upstream sent",
    config: http({
      filters: [
        limiter({ token_bucket: bucket(2), enable_x_ratelimit_headers: "DRAFT_VERSION_03" }),
      ],
    }),
    upstream: async (connection) => {
      await connection.request();
      await connection.write(
        "HTTP/1.1 200 OK\r\nx-ratelimit-limit: 9\r\ncontent-length: 0\r\n\r\n",
      );
    },
    run: async (t) => {
      const got = await t.get("/");
      const found = got.fields.filter(([name]) => name.startsWith("x-ratelimit"));
      assert.deepEqual(found, [
        ["x-ratelimit-limit", "9"],
        ["x-ratelimit-limit", "2"],
        ["x-ratelimit-remaining", "1"],
        ["x-ratelimit-reset", "0"],
      ]);
    },
  },
];

const refuses = (what: string, config: JsonObject, message: RegExp): ParityCase => ({
  name: `refuses ${what}`,
  config: http({ filters: [limiter(config)] }),
  upstream: ok,
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1);
    assert.match(output, message);
  },
});

const refusals: readonly ParityCase[] = [
  refuses(
    "a fill interval below 50 ms",
    { token_bucket: bucket(1, { fill_interval: "0.049s" }) },
    />= 50ms/,
  ),
  {
    name: "refuses a route's limit without bucket",
    config: http({
      filters: [limiter()],
      routes: [
        route(
          { prefix: "/" },
          {
            ...toCluster(),
            typed_per_filter_config: {
              [limitName]: { "@type": `type.googleapis.com/${limitType}`, stat_prefix: "a" },
            },
          },
        ),
      ],
    }),
    upstream: ok,
    own: { start: false },
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1);
      assert.match(output, /token bucket must be set for per filter configs/);
    },
  },
];

parityArea("local-ratelimit", [...basics, ...connections, ...routes, ...reported, ...refusals], {
  bootstrap: {
    layered_runtime: {
      layers: [{ name: "static", static_layer: { "test.all": 100, "test.none": 0 } }],
    },
  },
});
