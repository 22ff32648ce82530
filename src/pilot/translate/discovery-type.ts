import type { Cluster_DiscoveryTypeJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { NodeType } from "#model/node.ts";
import type { Service } from "#model/service.ts";

/** How a proxy finds the endpoints of a service; a rule's PASSTHROUGH may still override it. */
export function discoveryType(
  { resolution }: Service,
  proxyType: NodeType,
): Cluster_DiscoveryTypeJson {
  switch (resolution) {
    case "dns":
      return "STRICT_DNS";
    case "dns-round-robin":
      return "LOGICAL_DNS";
    case "passthrough":
      // A gateway's callers were never going to the service itself: there is no such original destination.
      return proxyType === "router" ? "EDS" : "ORIGINAL_DST";
    default:
      return "EDS";
  }
}

export function isEds(service: Service, proxyType: NodeType): boolean {
  return discoveryType(service, proxyType) === "EDS";
}
