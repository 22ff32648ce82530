import assert from "node:assert/strict";
import {
  answer,
  answers,
  byHand,
  response,
  type Script,
  type UpstreamConnection,
} from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  cluster,
  endpoint,
  extension,
  http,
  type JsonObject,
  route,
  toCluster,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import { closing, failing, nobody, ok, quickly, retried, via } from "./harness/retried.ts";

const failures: readonly ParityCase[] = [
  retried({
    name: "reset: a connection that is reset before any answer",
    policy: { retry_on: "reset" },
    upstream: closing(1),
    status: 200,
    attempts: 2,
    log: via(200),
    stats: { upstream_rq_retry: 1, upstream_rq_retry_success: 1 },
  }),
  ...["5xx", "gateway-error"].map((word) =>
    retried({
      name: `${word} covers resets`,
      policy: { retry_on: word },
      upstream: closing(1),
      status: 200,
      attempts: 2,
      log: via(200),
    }),
  ),
  retried({
    name: "reset-before-request: not after the request has gone out",
    policy: { retry_on: "reset-before-request" },
    upstream: closing(1),
    status: 503,
    attempts: 1,
    log: "503 UC upstream_reset_before_response_started{connection_termination}",
  }),
  retried({
    name: "the last failure is told as such",
    policy: { retry_on: "reset" },
    upstream: closing(9),
    status: 503,
    body: "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: connection termination",
    attempts: 2,
    log: "503 URX,UC upstream_reset_before_response_started{connection_termination}",
  }),
  {
    name: "connect-failure: the next host is tried",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", {
            retry_policy: { retry_on: "connect-failure", num_retries: 9, ...quickly },
          }),
        ),
      ],
      clusters: [
        cluster("main", {
          load_assignment: {
            cluster_name: "{case}-main",
            endpoints: [
              {
                lb_endpoints: [endpoint("main"), nobody],
              },
            ],
          },
        }),
      ],
    }),
    upstream: answer(ok),
    run: async (t) => {
      for (let i = 0; i < 6; i += 1) assert.equal((await t.get("/")).status, 200);
    },
  },
  retried({
    name: "connect-failure does not cover 503",
    policy: { retry_on: "connect-failure" },
    upstream: closing(1),
    status: 503,
    attempts: 1,
    log: "503 UC upstream_reset_before_response_started{connection_termination}",
  }),
  {
    name: "nothing is tried again once the response has begun",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", { retry_policy: { retry_on: "5xx,reset", ...quickly } }),
        ),
      ],
    }),
    upstream: async (connection: UpstreamConnection) => {
      await connection.request();
      await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
      connection.end();
    },
    run: async (t) => {
      const client = await t.connect();
      client.write(get("/"));
      await client.ended();
      assert.match(await t.logLine(), /^200 U/);
      assert.equal(t.upstream().requests.length, 1);
    },
  },
];

const bodies: readonly ParityCase[] = [
  retried({
    name: "a body is sent again",
    policy: { retry_on: "5xx" },
    upstream: answers(failing(503), ok),
    request: "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    status: 200,
    attempts: 2,
    log: via(200),
    more: (t) =>
      assert.deepEqual(
        t.upstream().requests.map(({ body }) => body),
        ["hello", "hello"],
      ),
  }),
  retried({
    name: "a chunked body with trailers is sent again",
    policy: { retry_on: "reset" },
    upstream: closing(1),
    request:
      "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    status: 200,
    attempts: 2,
    log: via(200),
    more: (t) =>
      assert.deepEqual(
        t.upstream().requests.map(({ body }) => body),
        ["abcde", "abcde"],
      ),
  }),
  retried({
    name: "a body over the buffer limit is not",
    policy: { retry_on: "5xx" },
    host: { per_request_buffer_limit_bytes: 3 },
    upstream: answers(failing(503), ok),
    request: "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    status: 503,
    attempts: 1,
    log: via(503),
    stats: { retry_or_shadow_abandoned: 1, upstream_rq_retry: 0 },
  }),
];

/** The first connection hangs. */
const hangingThen =
  (then: Script): Script =>
  async (connection, index, upstream) => {
    if (index === 0) await connection.request();
    else await then(connection, index, upstream);
  };

/** Answers on the connections after the first `count`; those hang. */
const hanging = (count: number): Script => {
  const answered = answer(ok);
  return async (connection, index, upstream) => {
    if (index < count) await connection.request();
    else await answered(connection, index, upstream);
  };
};

const timeouts: readonly ParityCase[] = [
  retried({
    name: "per_try_timeout: the next attempt answers",
    policy: { retry_on: "5xx", per_try_timeout: "0.6s" },
    upstream: hanging(1),
    status: 200,
    attempts: 2,
    log: via(200),
    stats: { upstream_rq_per_try_timeout: 1, upstream_rq_timeout: 0, upstream_rq_retry: 1 },
  }),
  retried({
    name: "per_try_timeout without a retry left",
    policy: { retry_on: "5xx", num_retries: 0, per_try_timeout: "0.1s" },
    upstream: hanging(9),
    status: 504,
    body: "upstream request timeout",
    attempts: 1,
    log: "504 URX,UT upstream_per_try_timeout",
    stats: { upstream_rq_per_try_timeout: 1 },
  }),
  retried({
    name: "per_try_timeout is not for retriable-4xx",
    policy: { retry_on: "retriable-4xx", per_try_timeout: "0.1s" },
    upstream: hanging(9),
    status: 504,
    attempts: 1,
    log: "504 UT upstream_per_try_timeout",
  }),
  retried({
    name: "per_try_idle_timeout",
    policy: { retry_on: "5xx", per_try_idle_timeout: "0.6s" },
    upstream: hanging(1),
    status: 200,
    attempts: 2,
    log: via(200),
    stats: { upstream_rq_per_try_idle_timeout: 1, upstream_rq_per_try_timeout: 0 },
  }),
  retried({
    name: "the route's timeout covers all attempts",
    policy: { retry_on: "5xx", num_retries: 9 },
    action: { timeout: "0.2s" },
    upstream: hanging(9),
    status: 504,
    attempts: 1,
    log: "504 UT response_timeout",
    stats: { upstream_rq_timeout: 1, upstream_rq_retry: 0 },
  }),
  retried({
    name: "x-envoy-upstream-rq-per-try-timeout-ms",
    policy: { retry_on: "5xx" },
    upstream: hanging(1),
    request: get("/", "x-envoy-upstream-rq-per-try-timeout-ms: 600"),
    status: 200,
    attempts: 2,
    log: via(200),
    more: (t) => assert.match(t.upstream().received, /^x-envoy-expected-rq-timeout-ms: 600\r$/m),
  }),
  retried({
    name: "include_is_timeout_retry_header",
    policy: { retry_on: "5xx", num_retries: 2, per_try_timeout: "0.6s" },
    host: { include_is_timeout_retry_header: true },
    upstream: hangingThen(answers(failing(503), ok)),
    status: 200,
    attempts: 3,
    log: via(200),
    more: (t) => {
      const told = t.upstream().received.matchAll(/^x-envoy-is-timeout-retry: (\w+)\r$/gm);
      assert.deepEqual(
        [...told].map(([, value]) => value),
        ["true", "false"],
      );
    },
  }),
  retried({
    name: "hedge_on_per_try_timeout: the slow attempt goes on, the first good answer wins",
    policy: { retry_on: "5xx", per_try_timeout: "0.6s" },
    action: { hedge_policy: { hedge_on_per_try_timeout: true } },
    upstream: hanging(1),
    status: 200,
    attempts: 2,
    log: via(200),
    stats: { upstream_rq_retry: 1, upstream_rq_per_try_timeout: 0 },
  }),
  {
    name: "hedging: the slow one may win",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", {
            retry_policy: { retry_on: "5xx", per_try_timeout: "0.6s", ...quickly },
            hedge_policy: { hedge_on_per_try_timeout: true },
          }),
        ),
      ],
    }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      client.write(get("/"));
      const slow = await t.upstream().connection(0);
      await slow.request();
      const second = await t.upstream().connection(1);
      await second.request();
      await slow.write(response(200, "slow"));
      assert.equal((await client.response()).body, "slow");
      await second.ended();
    },
  },
  {
    name: "hedging: a bad answer waits for the other attempt",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", {
            retry_policy: { retry_on: "5xx", per_try_timeout: "0.6s", ...quickly },
            hedge_policy: { hedge_on_per_try_timeout: true },
          }),
        ),
      ],
    }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      client.write(get("/"));
      const slow = await t.upstream().connection(0);
      await slow.request();
      const second = await t.upstream().connection(1);
      await second.request();
      await second.write(failing(503));
      await t.stats({ "cluster.{case}-main.upstream_rq_retry_limit_exceeded": 1 });
      await slow.write(response(200, "slow"));
      assert.equal((await client.response()).body, "slow");
      assert.equal(await t.logLine(), via(200, "URX"));
    },
  },
];

const rateLimited: readonly ParityCase[] = [
  retried({
    name: "rate_limited_retry_back_off: a header that asks for too long is not obeyed",
    policy: {
      retry_on: "5xx",
      rate_limited_retry_back_off: {
        reset_headers: [{ name: "retry-after", format: "SECONDS" }],
        max_interval: "5s",
      },
    },
    upstream: answers(failing(503, "retry-after: 3600"), ok),
    status: 200,
    attempts: 2,
    log: via(200),
    stats: { upstream_rq_retry_backoff_exponential: 1, upstream_rq_retry_backoff_ratelimited: 0 },
  }),
  retried({
    name: "rate_limited_retry_back_off: the next attempt waits as long as asked",
    policy: {
      retry_on: "5xx",
      rate_limited_retry_back_off: { reset_headers: [{ name: "retry-after", format: "SECONDS" }] },
    },
    upstream: answers(failing(503, "retry-after: 1"), ok),
    status: 200,
    attempts: 2,
    log: via(200),
    stats: { upstream_rq_retry_backoff_exponential: 0, upstream_rq_retry_backoff_ratelimited: 1 },
  }),
];

const host = (name: string, priority = 0, metadata: JsonObject = {}): JsonObject => ({
  priority,
  lb_endpoints: [endpoint(name, { metadata: { filter_metadata: { "envoy.lb": metadata } } })],
});
const predicate = (kind: string, config: JsonObject = {}): JsonObject =>
  extension(
    `envoy.retry_host_predicates.${kind}`,
    `envoy.extensions.retry.host.${kind}.v3.${config["type"] as string}`,
    (config["config"] ?? {}) as JsonObject,
  );

/** `bad` always fails, `good` never does; with the policy no request ends badly. */
function avoiding(name: string, policy: JsonObject, endpoints: readonly JsonObject[]): ParityCase {
  return {
    name,
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", { retry_policy: { retry_on: "5xx", ...quickly, ...policy } }),
        ),
      ],
      clusters: [
        cluster("main", { load_assignment: { cluster_name: "{case}-main", endpoints } }),
        cluster("bad"),
        cluster("good"),
      ],
    }),
    upstreams: { bad: answer(failing(503)), good: answer(ok) },
    run: async (t) => {
      for (let i = 0; i < 8; i += 1) assert.equal((await t.get("/")).status, 200);
    },
  };
}

const hosts: readonly ParityCase[] = [
  avoiding(
    "previous_hosts: never the same host again",
    {
      retry_host_predicate: [predicate("previous_hosts", { type: "PreviousHostsPredicate" })],
      host_selection_retry_max_attempts: 9,
    },
    [host("bad"), host("good")],
  ),
  avoiding(
    "previous_priorities: the next priority",
    {
      retry_priority: extension(
        "envoy.retry_priorities.previous_priorities",
        "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        { update_frequency: 1 },
      ),
    },
    [host("bad", 0), host("good", 1)],
  ),
  {
    name: "omit_canary_hosts: a canary is never picked, first attempt or not, while others are drawn",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          toCluster("main", {
            retry_policy: {
              retry_on: "5xx",
              retry_host_predicate: [
                predicate("omit_canary_hosts", { type: "OmitCanaryHostsPredicate" }),
              ],
              host_selection_retry_max_attempts: 9,
            },
          }),
        ),
      ],
      clusters: [
        cluster("main", {
          load_assignment: {
            cluster_name: "{case}-main",
            endpoints: [host("bad", 0, { canary: true }), host("good")],
          },
        }),
        cluster("bad"),
        cluster("good"),
      ],
    }),
    upstreams: { bad: answer(failing(503)), good: answer(ok) },
    run: async (t) => {
      for (let i = 0; i < 8; i += 1) assert.equal((await t.get("/")).status, 200);
    },
  },
  avoiding(
    "omit_host_metadata: hosts with the metadata are left out",
    {
      retry_host_predicate: [
        predicate("omit_host_metadata", {
          type: "OmitHostMetadataConfig",
          config: { metadata_match: { filter_metadata: { "envoy.lb": { kind: "bad" } } } },
        }),
      ],
      host_selection_retry_max_attempts: 9,
    },
    [host("bad", 0, { kind: "bad" }), host("good", 0, { kind: "good" })],
  ),
];

/** Serves one request on its first connection, and resets it as the second comes. */
const closingLater = (): Script => {
  const answered = answer(ok);
  return async (connection, index, upstream) => {
    if (index > 0) return answered(connection, index, upstream);
    await connection.request();
    await connection.write(ok);
    await connection.requestHead();
    connection.reset();
  };
};

function onClosing(name: string, request: string, statuses: readonly [number, number]): ParityCase {
  const [envoy, heddle] = statuses;
  const sees = (status: number) => async (t: CaseContext) => {
    const client = await t.connect();
    assert.equal((await client.exchange(get("/"))).status, 200);
    assert.equal((await client.exchange(request)).status, status);
  };
  const difference = "A request that meets a closing connection is repeated";
  return {
    name,
    config: http(),
    upstream: closingLater(),
    run: sees(envoy),
    ...(envoy === heddle ? {} : { heddle: { difference, run: sees(heddle) } }),
  };
}

const closings: readonly ParityCase[] = [
  onClosing("a GET that meets a closing connection", get("/"), [503, 200]),
  onClosing(
    "a POST that meets a closing connection",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    [503, 503],
  ),
];

parityArea("retries-failures", [
  ...closings,
  ...failures,
  ...bodies,
  ...timeouts,
  ...rateLimited,
  ...hosts,
]);
