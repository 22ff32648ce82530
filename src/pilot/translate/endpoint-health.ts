import type { TrafficPolicyJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { Service } from "#model/service.ts";

/** Below this percentage of healthy endpoints all of them get requests; 0: never. */
export function panicThreshold({ outlierDetection }: TrafficPolicyJson): number {
  return Math.max(0, outlierDetection?.minHealthPercent ?? 0);
}

/** Endpoints that are not ready are known to the proxy but get nothing, unless it may panic (istio.md §1.13). */
export function sendsUnhealthy(policy: TrafficPolicyJson): boolean {
  return panicThreshold(policy) === 0;
}

/** Sessions of its clients go on with an endpoint that is about to go. */
export function keepsSessions({ labels }: Service): boolean {
  return ["istio.io/persistent-session", "istio.io/persistent-session-header"].some(
    (name) => (labels[name] ?? "") !== "",
  );
}
