import assert from "node:assert/strict";
import { answer, answers, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster, http, route, toCluster, virtualHost } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { closing, failing, ok, quickly, retried, via } from "./harness/retried.ts";

const words: readonly ParityCase[] = [
  ...[
    ["5xx", 500, 2],
    ["5xx", 503, 2],
    ["5xx", 499, 1],
    ["gateway-error", 500, 1],
    ["gateway-error", 502, 2],
    ["gateway-error", 503, 2],
    ["gateway-error", 504, 2],
    ["retriable-4xx", 409, 2],
    ["retriable-4xx", 404, 1],
    ["reset", 503, 1],
    ["connect-failure", 503, 1],
    ["refused-stream", 503, 1],
    ["no-such-word", 503, 1],
    ["no-such-word, 5xx", 503, 2],
  ].map(([word, status, attempts]) =>
    retried({
      name: `retry_on ${word}: ${status} ${attempts === 2 ? "is tried again" : "is not"}`,
      policy: { retry_on: String(word) },
      upstream: answers(failing(Number(status)), ok),
      status: attempts === 2 ? 200 : Number(status),
      attempts: Number(attempts),
      log: via(attempts === 2 ? 200 : Number(status)),
    }),
  ),
  retried({
    name: "retriable-status-codes: those of the policy",
    policy: { retry_on: "retriable-status-codes", retriable_status_codes: [418, 429] },
    upstream: answers(failing(429), ok),
    status: 200,
    attempts: 2,
    log: via(200),
  }),
  retried({
    name: "retriable-status-codes: without the word they mean nothing",
    policy: { retry_on: "5xx", retriable_status_codes: [429] },
    upstream: answers(failing(429), ok),
    status: 429,
    attempts: 1,
    log: via(429),
  }),
  retried({
    name: "retriable-headers: a response header that matches",
    policy: {
      retry_on: "retriable-headers",
      retriable_headers: [{ name: "x-again", string_match: { exact: "yes" } }],
    },
    upstream: answers(response(200, "no", "x-again: yes"), ok),
    status: 200,
    body: "ok",
    attempts: 2,
    log: via(200),
  }),
  retried({
    name: "retriable-headers: another value is not",
    policy: {
      retry_on: "retriable-headers",
      retriable_headers: [{ name: "x-again", string_match: { exact: "yes" } }],
    },
    upstream: answers(response(200, "no", "x-again: maybe"), ok),
    status: 200,
    body: "no",
    attempts: 1,
    log: via(200),
  }),
  retried({
    name: "retriable_request_headers: only requests that match",
    policy: {
      retry_on: "5xx",
      retriable_request_headers: [{ name: ":method", string_match: { exact: "PUT" } }],
    },
    upstream: answers(failing(503), ok),
    status: 503,
    attempts: 1,
    log: via(503),
  }),
  retried({
    name: "envoy-ratelimited: an answer of an Envoy that limits",
    policy: { retry_on: "envoy-ratelimited" },
    upstream: answers(failing(429, "x-envoy-ratelimited: true"), ok),
    status: 200,
    attempts: 2,
    log: via(200),
  }),
  retried({
    name: "a rate-limited 5xx is not tried again by 5xx",
    policy: { retry_on: "5xx" },
    upstream: answers(failing(503, "x-envoy-ratelimited: true"), ok),
    status: 503,
    attempts: 1,
    log: via(503),
  }),
  ...[
    ["cancelled", 1],
    ["deadline-exceeded", 4],
    ["resource-exhausted", 8],
    ["internal", 13],
    ["unavailable", 14],
  ].map(([word, status]) =>
    retried({
      name: `retry_on ${word}: grpc-status ${status} in the head`,
      policy: { retry_on: String(word) },
      upstream: answers(
        response(200, "", "content-type: application/grpc", `grpc-status: ${status}`),
        response(200, "", "content-type: application/grpc", "grpc-status: 0"),
      ),
      request:
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n",
      status: 200,
      attempts: 2,
      log: via(200),
    }),
  ),
  retried({
    name: "retry_on unavailable: another grpc-status is not",
    policy: { retry_on: "unavailable" },
    upstream: answers(response(200, "", "content-type: application/grpc", "grpc-status: 13"), ok),
    status: 200,
    attempts: 1,
    log: via(200),
  }),
];

const limits: readonly ParityCase[] = [
  retried({
    name: "one retry unless the policy says more",
    policy: { retry_on: "5xx" },
    upstream: answer(failing(503)),
    status: 503,
    attempts: 2,
    log: via(503, "URX"),
    stats: {
      upstream_rq_retry: 1,
      upstream_rq_retry_limit_exceeded: 1,
      upstream_rq_retry_success: 0,
      upstream_rq_total: 2,
      "retry.upstream_rq_503": 1,
      "retry.upstream_rq_5xx": 1,
      "retry.upstream_rq_completed": 1,
      upstream_rq_503: 1,
      upstream_rq_completed: 1,
      "circuit_breakers.default.rq_retry_open": 0,
    },
  }),
  retried({
    name: "num_retries 3, the last succeeds",
    policy: { retry_on: "5xx", num_retries: 3 },
    upstream: answers(failing(500), failing(502), failing(503), ok),
    status: 200,
    attempts: 4,
    log: via(200),
    stats: {
      upstream_rq_retry: 3,
      upstream_rq_retry_success: 1,
      upstream_rq_retry_backoff_exponential: 3,
      upstream_rq_200: 1,
    },
  }),
  retried({
    name: "num_retries 0: none",
    policy: { retry_on: "5xx", num_retries: 0 },
    upstream: answers(failing(503), ok),
    status: 503,
    attempts: 1,
    log: via(503, "URX"),
  }),
  retried({
    name: "the virtual host's policy",
    host: { retry_policy: { retry_on: "5xx", ...quickly } },
    upstream: answers(failing(503), ok),
    status: 200,
    attempts: 2,
    log: via(200),
  }),
  retried({
    name: "the route's policy takes the place of the virtual host's, whole",
    policy: { retry_on: "gateway-error" },
    host: { retry_policy: { retry_on: "5xx", num_retries: 5, ...quickly } },
    upstream: answers(failing(500), ok),
    status: 500,
    attempts: 1,
    log: via(500),
  }),
  retried({
    name: "max_retries of the cluster: none left",
    policy: { retry_on: "5xx" },
    clusters: [cluster("main", { circuit_breakers: { thresholds: [{ max_retries: 0 }] } })],
    upstream: answers(failing(503), ok),
    status: 503,
    attempts: 1,
    log: via(503, "UO"),
    stats: { upstream_rq_retry: 0, upstream_rq_retry_overflow: 1 },
  }),
  retried({
    name: "retry_budget: its minimum lets one through",
    policy: { retry_on: "5xx" },
    clusters: [
      cluster("main", {
        circuit_breakers: {
          thresholds: [
            {
              max_retries: 0,
              retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 1 },
            },
          ],
        },
      }),
    ],
    upstream: answers(failing(503), ok),
    status: 200,
    attempts: 2,
    log: via(200),
  }),
  retried({
    name: "retry_budget: nothing of nothing",
    policy: { retry_on: "5xx" },
    clusters: [
      cluster("main", {
        circuit_breakers: {
          thresholds: [
            { retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 } },
          ],
        },
      }),
    ],
    upstream: answers(failing(503), ok),
    status: 503,
    attempts: 1,
    log: via(503, "UO"),
    stats: { upstream_rq_retry_overflow: 1 },
  }),
];

const asked: readonly ParityCase[] = [
  retried({
    name: "x-envoy-retry-on asks where no policy is",
    upstream: answers(failing(503), ok),
    request: get("/", "x-envoy-retry-on: 5xx"),
    status: 200,
    attempts: 2,
    log: via(200),
    more: (t) => assert.doesNotMatch(t.upstream().received, /x-envoy-retry-on/),
  }),
  retried({
    name: "x-envoy-max-retries 2",
    upstream: answers(failing(503), failing(503), ok),
    request: get("/", "x-envoy-retry-on: 5xx", "x-envoy-max-retries: 2"),
    status: 200,
    attempts: 3,
    log: via(200),
    more: (t) => assert.doesNotMatch(t.upstream().received, /x-envoy-max-retries/),
  }),
  retried({
    name: "x-envoy-max-retries 0 turns the policy's off",
    policy: { retry_on: "5xx" },
    upstream: answers(failing(503), ok),
    request: get("/", "x-envoy-max-retries: 0"),
    status: 503,
    attempts: 1,
    log: via(503, "URX"),
  }),
  retried({
    name: "x-envoy-retriable-status-codes adds codes",
    upstream: answers(failing(418), ok),
    request: get(
      "/",
      "x-envoy-retry-on: retriable-status-codes",
      "x-envoy-retriable-status-codes: 417,418",
    ),
    status: 200,
    attempts: 2,
    log: via(200),
  }),
  retried({
    name: "x-envoy-retriable-header-names adds headers",
    upstream: answers(response(200, "no", "x-again: 1"), ok),
    request: get(
      "/",
      "x-envoy-retry-on: retriable-headers",
      "x-envoy-retriable-header-names: x-other, x-again",
    ),
    status: 200,
    body: "ok",
    attempts: 2,
    log: via(200),
  }),
  retried({
    name: "x-envoy-retry-grpc-on",
    upstream: answers(
      response(200, "", "content-type: application/grpc", "grpc-status: 14"),
      response(200, "", "content-type: application/grpc", "grpc-status: 0"),
    ),
    request: get("/", "x-envoy-retry-grpc-on: unavailable"),
    status: 200,
    attempts: 2,
    log: via(200),
  }),
  retried({
    name: "include_request_attempt_count and its twin for the response",
    policy: { retry_on: "5xx", num_retries: 2 },
    host: { include_request_attempt_count: true, include_attempt_count_in_response: true },
    upstream: answers(failing(503), failing(503), ok),
    status: 200,
    attempts: 3,
    log: via(200),
    more: (t) => {
      const counts = [...t.upstream().received.matchAll(/^x-envoy-attempt-count: (\d)\r$/gm)];
      assert.deepEqual(
        counts.map(([, count]) => count),
        ["1", "2", "3"],
      );
    },
  }),
  {
    name: "include_attempt_count_in_response holds for a local reply",
    config: http({
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route(
              { prefix: "/" },
              toCluster("main", { retry_policy: { retry_on: "reset", ...quickly } }),
            ),
          ],
          { include_attempt_count_in_response: true },
        ),
      ],
    }),
    upstream: closing(9),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.equal(got.header("x-envoy-attempt-count"), "2");
    },
  },
];

parityArea("retries", [...words, ...limits, ...asked]);
