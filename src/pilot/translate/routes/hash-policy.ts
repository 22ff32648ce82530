import type { RouteAction_HashPolicyJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type {
  LoadBalancerSettings_ConsistentHashLBJson as ConsistentHash,
  TrafficPolicyJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { DestinationJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { OutboundScope } from "../../view.ts";

type Scope = Pick<OutboundScope, "destinationRule">;

/** What the DestinationRule of a route's destination hashes; the narrowest of its policies that says so. */
export function destinationHash(
  { host = "", subset: name = "", port }: DestinationJson,
  scope: Scope,
): ConsistentHash | undefined {
  const rule = scope.destinationRule(host)?.spec;
  const subset = rule?.subsets?.find((candidate) => (candidate.name ?? "") === name);
  return (
    portHash(subset?.trafficPolicy, port?.number) ??
    subset?.trafficPolicy?.loadBalancer?.consistentHash ??
    portHash(rule?.trafficPolicy, port?.number) ??
    rule?.trafficPolicy?.loadBalancer?.consistentHash
  );
}

function portHash(
  policy: TrafficPolicyJson | undefined,
  port: number | undefined,
): ConsistentHash | undefined {
  if (port === undefined) return undefined;
  return policy?.portLevelSettings?.find((settings) => settings.port?.number === port)?.loadBalancer
    ?.consistentHash;
}

/** None when the rule names only the algorithm, not what to hash. */
export function hashPolicies(hash: ConsistentHash | undefined): RouteAction_HashPolicyJson[] {
  if (hash?.httpHeaderName !== undefined) return [{ header: { headerName: hash.httpHeaderName } }];
  if (hash?.httpQueryParameterName !== undefined) {
    return [{ queryParameter: { name: hash.httpQueryParameterName } }];
  }
  if (hash?.useSourceIp !== undefined) {
    return [{ connectionProperties: hash.useSourceIp ? { sourceIp: true } : {} }];
  }
  return hash?.httpCookie === undefined ? [] : [{ cookie: hash.httpCookie }];
}
