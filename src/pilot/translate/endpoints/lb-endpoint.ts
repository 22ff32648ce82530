import type { AddressJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { HealthStatusJson } from "#gen/envoy/config/core/v3/health_check_pb.js";
import type { LbEndpointJson } from "#gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type { Endpoint } from "#model/service.ts";

const unixPrefix = "unix://";

/** Undefined: it has no such port. */
export function addressOf(endpoint: Endpoint, portName: string): AddressJson | undefined {
  if (endpoint.address.startsWith(unixPrefix)) {
    return { pipe: { path: endpoint.address.slice(unixPrefix.length) } };
  }
  const portValue = endpoint.ports[portName];
  if (portValue === undefined) return undefined;
  return { socketAddress: { address: endpoint.address, portValue } };
}

export function lbEndpointOf(endpoint: Endpoint, address: AddressJson): LbEndpointJson {
  return {
    endpoint: { address },
    healthStatus: healthStatusOf(endpoint),
    loadBalancingWeight: weightOf(endpoint),
    metadata: { filterMetadata: { istio: { workload: workloadOf(endpoint) } } },
  };
}

export function weightOf({ weight }: Endpoint): number {
  return Math.max(1, weight);
}

export function isDraining({ health, labels }: Endpoint): boolean {
  return health === "draining" || (labels["istio.io/draining"] ?? "") !== "";
}

function healthStatusOf(endpoint: Endpoint): HealthStatusJson {
  if (isDraining(endpoint)) return "DRAINING";
  return endpoint.health === "healthy" ? "HEALTHY" : "UNHEALTHY";
}

/** For telemetry of peers that cannot say it themselves: `workload;namespace;canonical service;revision;cluster`. */
function workloadOf({ labels, workloadName, namespace, clusterId }: Endpoint): string {
  const canonical =
    labels["service.istio.io/canonical-name"] ??
    labels["app.kubernetes.io/name"] ??
    labels["app"] ??
    workloadName;
  const revision =
    labels["service.istio.io/canonical-revision"] ??
    labels["app.kubernetes.io/version"] ??
    labels["version"] ??
    "latest";
  // "latest" is what readers assume when it is empty.
  return [
    workloadName,
    namespace,
    canonical,
    revision === "latest" ? "" : revision,
    clusterId,
  ].join(";");
}
