import { STATUS_CODES } from "node:http";
import type {
  RetryPolicy_RetryHostPredicateJson,
  RetryPolicy_RetryPriorityJson,
  RetryPolicyJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { HTTPRetryJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";

const previousHosts: RetryPolicy_RetryHostPredicateJson = {
  name: "envoy.retry_host_predicates.previous_hosts",
  typedConfig: {
    "@type":
      "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
  },
};

const previousPrioritiesConfig = {
  "@type":
    "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
  updateFrequency: 2,
};

/** Other localities after every second try. */
const previousPriorities: RetryPolicy_RetryPriorityJson = {
  name: "envoy.retry_priorities.previous_priorities",
  typedConfig: previousPrioritiesConfig,
};

const defaultRetryOn =
  "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

/**
 * A rule's retries, else the mesh's, else Istio's two. Undefined: none. With consistent hashing a retry goes to the host that the hash
 * names, tried before or not.
 */
export function retryPolicy(
  retries: HTTPRetryJson | undefined,
  { consistentHash }: { readonly consistentHash: boolean },
): RetryPolicyJson | undefined {
  if (retries === undefined) return consistentHash ? hashedDefault : plainDefault;
  const { attempts = 0, perTryTimeout, backoff } = retries;
  if (attempts <= 0) return undefined;
  const avoidPrevious = retries.retryIgnorePreviousHosts ?? !consistentHash;
  return {
    ...retryConditions(retries.retryOn),
    numRetries: attempts,
    ...(perTryTimeout !== undefined && { perTryTimeout }),
    ...(retries.retryRemoteLocalities && { retryPriority: previousPriorities }),
    ...(avoidPrevious && { retryHostPredicate: [previousHosts] }),
    hostSelectionRetryMaxAttempts: "5",
    ...(backoff !== undefined && { retryBackOff: { baseInterval: backoff } }),
  };
}

const hashedDefault: RetryPolicyJson = {
  retryOn: defaultRetryOn,
  numRetries: 2,
  hostSelectionRetryMaxAttempts: "5",
};
const plainDefault: RetryPolicyJson = { ...hashedDefault, retryHostPredicate: [previousHosts] };

/** Numbers among Envoy's conditions are status codes. */
function retryConditions(retryOn = ""): Pick<RetryPolicyJson, "retryOn" | "retriableStatusCodes"> {
  if (retryOn === "") return { retryOn: defaultRetryOn };
  const parts = retryOn
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const codes = parts.filter((part) => /^\d+$/.test(part) && STATUS_CODES[part] !== undefined);
  const conditions = parts.filter((part) => !codes.includes(part));
  if (codes.length === 0) return { retryOn: conditions.join(",") };
  if (!conditions.some((condition) => condition.includes("retriable-status-codes"))) {
    conditions.push("retriable-status-codes");
  }
  return { retryOn: conditions.join(","), retriableStatusCodes: codes.map(Number) };
}
