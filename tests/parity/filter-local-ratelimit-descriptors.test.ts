import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  direct,
  extension,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import { percent, statuses } from "./harness/limits.ts";
import {
  bucket,
  descriptor,
  limit,
  limiter,
  limitType,
  ok,
  withActions,
} from "./harness/local-ratelimit.ts";

const key = (value: string, more: JsonObject = {}): JsonObject => ({
  generic_key: { descriptor_value: value, ...more },
});

/** Several actions, and what is made of them. */
const composed = (options: {
  readonly name: string;
  readonly rateLimits: readonly JsonObject[];
  readonly filter?: JsonObject;
  readonly asked: readonly (readonly [path: string, ...fields: readonly string[]])[];
  readonly statuses: readonly number[];
}): ParityCase => ({
  name: options.name,
  config: http({
    filters: [limiter({ token_bucket: bucket(100), ...options.filter })],
    routes: [route({ prefix: "/" }, toCluster("main", { rate_limits: options.rateLimits }))],
  }),
  upstream: ok,
  run: async (t) => {
    const found: number[] = [];
    for (const [path, ...fields] of options.asked)
      found.push((await t.get(path, ...fields)).status);
    assert.deepEqual(found, options.statuses);
  },
});
const user: JsonObject = { request_headers: { header_name: "x-user", descriptor_key: "user" } };
const optionalUser: JsonObject = {
  request_headers: { header_name: "x-user", descriptor_key: "user", skip_if_absent: true },
};

/** What a request costs by the filter's own `rate_limits`. */
const costing = (
  name: string,
  hitsAddend: JsonObject,
  tokens: number,
  asked: readonly (readonly [path: string, ...fields: readonly string[]])[],
  expected: readonly number[],
): ParityCase =>
  composed({
    name,
    rateLimits: [],
    filter: {
      rate_limits: [{ actions: [key("a")], hits_addend: hitsAddend }],
      descriptors: [descriptor({ generic_key: "a" }, tokens)],
    },
    asked,
    statuses: expected,
  });

const compositions: readonly ParityCase[] = [
  composed({
    name: "actions make one descriptor, in their order",
    rateLimits: [{ actions: [key("a"), user] }],
    filter: {
      descriptors: [
        descriptor({ generic_key: "a", user: "me" }, 1),
        descriptor({ user: "you", generic_key: "a" }, 0),
        descriptor({ generic_key: "a" }, 0),
      ],
    },
    asked: [["/", "x-user: me"], ["/", "x-user: me"], ["/", "x-user: you"], ["/"]],
    statuses: [200, 429, 200, 200],
  }),
  composed({
    name: "skip_if_absent leaves an entry out",
    rateLimits: [{ actions: [key("a"), optionalUser] }],
    filter: { descriptors: [descriptor({ generic_key: "a" }, 1)] },
    asked: [["/"], ["/"], ["/", "x-user: me"]],
    statuses: [200, 429, 200],
  }),
  composed({
    name: "skip_if_absent of metadata and of a query parameter",
    rateLimits: [
      {
        actions: [
          key("a"),
          {
            metadata: {
              descriptor_key: "m",
              metadata_key: { key: "ns", path: [{ key: "a" }] },
              skip_if_absent: true,
            },
          },
          {
            query_parameters: {
              query_parameter_name: "q",
              descriptor_key: "q",
              skip_if_absent: true,
            },
          },
        ],
      },
    ],
    filter: { descriptors: [descriptor({ generic_key: "a" }, 1)] },
    asked: [["/"], ["/"], ["/?q=1"]],
    statuses: [200, 429, 200],
  }),
  composed({
    name: "a request may match several descriptors: the slowest is asked first",
    rateLimits: [{ actions: [key("fast")] }, { actions: [key("slow")] }],
    filter: {
      descriptors: [
        descriptor({ generic_key: "fast" }, 2, { tokens_per_fill: 10 }),
        descriptor({ generic_key: "slow" }, 1),
      ],
      enable_x_ratelimit_headers: "DRAFT_VERSION_03",
    },
    asked: [["/"], ["/"]],
    statuses: [200, 429],
  }),
  composed({
    name: "the default bucket is always asked too",
    rateLimits: [{ actions: [key("a")] }],
    filter: { token_bucket: bucket(1), descriptors: [descriptor({ generic_key: "a" }, 5)] },
    asked: [["/"], ["/"]],
    statuses: [200, 429],
  }),
  composed({
    name: "always_consume_default_token_bucket: false",
    rateLimits: [{ actions: [user] }],
    filter: {
      token_bucket: bucket(1),
      descriptors: [descriptor({ user: "me" }, 2)],
      always_consume_default_token_bucket: false,
    },
    asked: [["/", "x-user: me"], ["/", "x-user: me"], ["/", "x-user: me"], ["/"], ["/"]],
    statuses: [200, 200, 429, 200, 429],
  }),
  costing("hits_addend: a request costs more", { number: 3 }, 5, [["/"], ["/"]], [200, 429]),
  costing(
    "hits_addend of 0 is more than any bucket has",
    { number: 0 },
    1,
    [["/"], ["/"]],
    [429, 429],
  ),
  costing(
    "hits_addend by the request",
    { format: "%REQ(x-cost)%" },
    5,
    [
      ["/", "x-cost: 4"],
      ["/", "x-cost: 2"],
      ["/", "x-cost: 1"],
      ["/"],
      ["/", "x-cost: x"],
      ["/", "x-cost: -1"],
      ["/", "x-cost: 1"],
    ],
    [200, 429, 200, 200, 200, 200, 429],
  ),
  composed({
    name: "hits_addend of a route is nothing to a local limit",
    rateLimits: [{ actions: [key("a")], hits_addend: { number: 3 } }],
    filter: { descriptors: [descriptor({ generic_key: "a" }, 2)] },
    asked: [["/"], ["/"], ["/"]],
    statuses: [200, 200, 429],
  }),
  composed({
    name: "only limits of the filter's stage count",
    rateLimits: [{ stage: 1, actions: [key("a")] }, { actions: [key("b")] }],
    filter: {
      stage: 1,
      descriptors: [descriptor({ generic_key: "a" }, 1), descriptor({ generic_key: "b" }, 0)],
    },
    asked: [["/"], ["/"]],
    statuses: [200, 429],
  }),
  composed({
    name: "a limit with a disable_key is left out",
    rateLimits: [{ disable_key: "test.none", actions: [key("a")] }],
    filter: { descriptors: [descriptor({ generic_key: "a" }, 0)] },
    asked: [["/"]],
    statuses: [200],
  }),
  composed({
    name: "rate_limits in the filter stand in for the route's",
    rateLimits: [{ actions: [key("route")] }],
    filter: {
      rate_limits: [{ actions: [key("filter")] }],
      descriptors: [
        descriptor({ generic_key: "filter" }, 1),
        descriptor({ generic_key: "route" }, 0),
      ],
    },
    asked: [["/"], ["/"]],
    statuses: [200, 429],
  }),
];

const wildcards: readonly ParityCase[] = [
  composed({
    name: "a descriptor without value has a bucket for each value",
    rateLimits: [{ actions: [user] }],
    filter: { descriptors: [{ entries: [{ key: "user" }], token_bucket: bucket(1) }] },
    asked: [
      ["/", "x-user: a"],
      ["/", "x-user: b"],
      ["/", "x-user: a"],
      ["/", "x-user: b"],
      ["/"],
      ["/"],
    ],
    statuses: [200, 200, 429, 429, 200, 200],
  }),
  composed({
    name: "a descriptor of the very value comes before that without",
    rateLimits: [{ actions: [user] }],
    filter: {
      descriptors: [
        { entries: [{ key: "user" }], token_bucket: bucket(1) },
        descriptor({ user: "vip" }, 3),
      ],
    },
    asked: [
      ["/", "x-user: vip"],
      ["/", "x-user: vip"],
      ["/", "x-user: a"],
      ["/", "x-user: a"],
    ],
    statuses: [200, 200, 200, 429],
  }),
  composed({
    name: "max_dynamic_descriptors: the least recently used is forgotten",
    rateLimits: [{ actions: [user] }],
    filter: {
      max_dynamic_descriptors: 2,
      descriptors: [{ entries: [{ key: "user" }], token_bucket: bucket(1) }],
    },
    asked: [
      ["/", "x-user: a"],
      ["/", "x-user: b"],
      ["/", "x-user: a"],
      ["/", "x-user: c"],
      ["/", "x-user: a"],
      ["/", "x-user: b"],
    ],
    statuses: [200, 200, 429, 200, 429, 200],
  }),
];

const limitsOf = (value: string, more: JsonObject = {}): JsonObject => ({
  rate_limits: [{ actions: [key(value)] }],
  ...more,
});

/** A virtual host whose limits are `host`, and routes with `route` or without any. */
const hosts = (name: string, filter: JsonObject, expected: readonly number[]): ParityCase => ({
  name,
  config: http({
    filters: [
      limiter({
        token_bucket: bucket(100),
        descriptors: [
          descriptor({ generic_key: "host" }, 0),
          descriptor({ generic_key: "route" }, 1),
        ],
        ...filter,
      }),
    ],
    virtualHosts: [
      virtualHost(
        "{case}",
        ["*"],
        [
          route({ prefix: "/route" }, toCluster("main", limitsOf("route"))),
          route(
            { prefix: "/both" },
            toCluster("main", { ...limitsOf("none"), include_vh_rate_limits: true }),
          ),
          route({ prefix: "/direct" }, direct("direct")),
          route(),
        ],
        limitsOf("host"),
      ),
    ],
  }),
  upstream: ok,
  run: async (t) =>
    assert.deepEqual(await statuses(t, ["/route", "/route", "/both", "/direct", "/"]), expected),
});

const virtualHosts: readonly ParityCase[] = [
  hosts("a virtual host's limits, unless the route has its own", {}, [200, 429, 429, 200, 429]),
  hosts("vh_rate_limits: INCLUDE", { vh_rate_limits: "INCLUDE" }, [429, 429, 429, 200, 429]),
  hosts("vh_rate_limits: IGNORE", { vh_rate_limits: "IGNORE" }, [200, 429, 429, 200, 200]),
];

const others: readonly ParityCase[] = [
  {
    name: "descriptors of a connection",
    config: http({
      filters: [
        limiter({
          token_bucket: bucket(100),
          local_rate_limit_per_downstream_connection: true,
          descriptors: [descriptor({ generic_key: "a" }, 1)],
        }),
      ],
      routes: [withActions(key("a"))],
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const ask = async (): Promise<number> =>
        (await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n")).status;
      assert.deepEqual([await ask(), await ask()], [200, 429]);
      assert.equal((await t.get("/")).status, 200);
    },
  },
  {
    name: "x-ratelimit-*: of the slowest descriptor",
    config: http({
      filters: [
        limiter({
          token_bucket: bucket(100),
          enable_x_ratelimit_headers: "DRAFT_VERSION_03",
          descriptors: [
            descriptor({ generic_key: "fast" }, 7, { tokens_per_fill: 10 }),
            descriptor({ generic_key: "slow" }, 5),
          ],
        }),
      ],
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", {
            rate_limits: [{ actions: [key("fast")] }, { actions: [key("slow")] }],
          }),
        ),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/");
      assert.deepEqual(
        ["limit", "remaining", "reset"].map((name) => got.header(`x-ratelimit-${name}`)),
        ["5", "4", "0"],
      );
    },
  },
  {
    name: "dynamic metadata of a filter before",
    config: http({
      filters: [
        extension("{case}-fault", "envoy.extensions.filters.http.fault.v3.HTTPFault", {
          delay: { fixed_delay: "0.001s", percentage: percent(100) },
          filter_metadata: { kind: "test" },
        }),
        limiter({ token_bucket: bucket(100), descriptors: [descriptor({ m: "test" }, 1)] }),
      ],
      routes: [
        withActions({
          metadata: {
            descriptor_key: "m",
            metadata_key: { key: "{case}-fault", path: [{ key: "kind" }] },
          },
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => assert.deepEqual(await statuses(t, ["/", "/"]), [200, 429]),
  },
  {
    name: "source_cluster is the node's",
    config: http({
      filters: [
        limiter({
          token_bucket: bucket(100),
          descriptors: [descriptor({ source_cluster: "here" }, 1)],
        }),
      ],
      routes: [withActions({ source_cluster: {} })],
    }),
    upstream: ok,
    own: { bootstrap: { node: { id: "id", cluster: "here" } } },
    run: async (t) => assert.deepEqual(await statuses(t, ["/", "/"]), [200, 429]),
  },
];

const refuses = (what: string, config: JsonObject, message: RegExp): ParityCase => ({
  name: `refuses ${what}`,
  config: http({ filters: [extension("limit", limitType, limit(config))] }),
  upstream: ok,
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1);
    assert.match(output, message);
  },
});
const entry = { entries: [{ key: "a", value: "b" }] };

const refusals: readonly ParityCase[] = [
  refuses(
    "a descriptor twice",
    { descriptors: [descriptor({ a: "b" }, 1), descriptor({ a: "b" }, 2)] },
    /duplicate descriptor in the local rate descriptor/,
  ),
  refuses(
    "a descriptor's fill interval of 10 ms",
    { descriptors: [{ ...entry, token_bucket: { max_tokens: 1, fill_interval: "0.01s" } }] },
    /50ms/,
  ),
  refuses(
    "hits_addend of both kinds",
    { rate_limits: [{ actions: [key("a")], hits_addend: { number: 1, format: "%REQ(a)%" } }] },
    /hits_addend must contain either a format or a number/,
  ),
  refuses(
    "a stage in the filter's own rate_limits",
    { rate_limits: [{ stage: 1, actions: [key("a")] }] },
    /'stage' field and 'disable_key' field are not supported/,
  ),
  refuses(
    "hits_addend of more than one operator",
    { rate_limits: [{ actions: [key("a")], hits_addend: { format: "%REQ(a)%%REQ(b)%" } }] },
    /hits_addend format must contain exactly one substitution/,
  ),
];

parityArea("local-ratelimit-descriptors", [
  ...compositions,
  ...wildcards,
  ...virtualHosts,
  ...others,
  ...refusals,
]);
