import assert from "node:assert/strict";
import { test } from "node:test";
import type { HTTPRetryJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { retryPolicy } from "./retry.ts";

const previousHosts = [
  {
    name: "envoy.retry_host_predicates.previous_hosts",
    typedConfig: {
      "@type":
        "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    },
  },
];
const defaults = {
  retryOn: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
  numRetries: 2,
  retryHostPredicate: previousHosts,
  hostSelectionRetryMaxAttempts: "5",
};
const policyOf = (retries: HTTPRetryJson | undefined): ReturnType<typeof retryPolicy> =>
  retryPolicy(retries, { consistentHash: false });

test("without a rule there are Istio's two retries, on another host", () => {
  assert.deepEqual(policyOf(undefined), defaults);
});

test("no attempts are no retries", () => {
  assert.equal(policyOf({ attempts: 0 }), undefined);
  assert.equal(policyOf({}), undefined);
});

test("what a rule does not say is the default", () => {
  assert.deepEqual(policyOf({ attempts: 5, perTryTimeout: "2s" }), {
    ...defaults,
    numRetries: 5,
    perTryTimeout: "2s",
  });
});

test("numbers among the conditions are status codes, which need a condition of their own", () => {
  const conditions = (retryOn: string): unknown => {
    const { retryOn: on, retriableStatusCodes } = policyOf({ attempts: 1, retryOn }) ?? {};
    return [on, retriableStatusCodes];
  };
  assert.deepEqual(conditions("5xx, reset"), ["5xx,reset", undefined]);
  assert.deepEqual(conditions("gateway-error,429,503"), [
    "gateway-error,retriable-status-codes",
    [429, 503],
  ]);
  assert.deepEqual(conditions("503,retriable-status-codes"), ["retriable-status-codes", [503]]);
  assert.deepEqual(conditions("503"), ["retriable-status-codes", [503]]);
  // Not a status that HTTP knows: left for Envoy to judge.
  assert.deepEqual(conditions("799"), ["799", undefined]);
});

test("other localities, the same hosts and a pause are had by asking", () => {
  const policy = policyOf({
    attempts: 1,
    retryRemoteLocalities: true,
    retryIgnorePreviousHosts: false,
    backoff: "0.05s",
  });
  assert.equal(policy?.retryHostPredicate, undefined);
  assert.equal(policy?.retryPriority?.name, "envoy.retry_priorities.previous_priorities");
  assert.deepEqual(policy?.retryBackOff, { baseInterval: "0.05s" });
});

test("with consistent hashing only a rule that says so avoids the hosts that were tried", () => {
  const hashed = (retries: HTTPRetryJson | undefined): unknown =>
    retryPolicy(retries, { consistentHash: true })?.retryHostPredicate;
  assert.equal(hashed(undefined), undefined);
  assert.deepEqual(hashed({ attempts: 1, retryIgnorePreviousHosts: true }), previousHosts);
});
