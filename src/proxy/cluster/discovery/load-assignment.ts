import { isIP } from "node:net";
import type { AddressJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type {
  LbEndpointJson,
  LocalityLbEndpointsJson,
} from "#gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { refuse } from "#lib/config-error.ts";
import { type Address, ipAddress, pipeAddress } from "#net/address.ts";
import type { Metadata } from "../../stream-info.ts";
import type { ClusterMembers, EndpointSpec, HostHealth, Locality } from "../host.ts";

/** An endpoint whose address may still be a name. */
export interface UnresolvedEndpoint {
  readonly host: string;
  readonly port: number;
  readonly spec: Omit<EndpointSpec, "address">;
}

/** A load assignment whose addresses are all literal. */
export function membersOf(
  cluster: string,
  assignment: ClusterLoadAssignmentJson | undefined,
): ClusterMembers {
  const endpoints: EndpointSpec[] = [];
  for (const group of assignment?.endpoints ?? []) {
    for (const item of group.lbEndpoints ?? [])
      endpoints.push({ ...specOf(group, item), address: literalAddress(item.endpoint?.address) });
  }
  return { cluster, endpoints, ...weightsOf(assignment) };
}

/** Every endpoint of a DNS cluster. */
export function unresolvedOf(
  assignment: ClusterLoadAssignmentJson | undefined,
): UnresolvedEndpoint[] {
  const endpoints: UnresolvedEndpoint[] = [];
  for (const group of assignment?.endpoints ?? []) {
    for (const item of group.lbEndpoints ?? []) {
      const socket = item.endpoint?.address?.socketAddress;
      if (socket === undefined)
        throw refuse("load_assignment", "a DNS cluster's endpoints need socket addresses");
      const spec = specOf(group, item);
      const host = socket.address ?? "";
      endpoints.push({
        host,
        port: socket.portValue ?? 0,
        spec: { ...spec, hostname: spec.hostname === "" ? host : spec.hostname },
      });
    }
  }
  return endpoints;
}

export function weightsOf(
  assignment: ClusterLoadAssignmentJson | undefined,
): Pick<ClusterMembers, "localityWeights" | "overprovisioningFactor" | "dropFraction"> {
  const localityWeights: Record<string, number> = {};
  for (const group of assignment?.endpoints ?? []) {
    if (group.loadBalancingWeight === undefined) continue;
    const { region, zone, subZone } = localityOf(group);
    localityWeights[`${group.priority ?? 0}/${region}/${zone}/${subZone}`] =
      group.loadBalancingWeight;
  }
  let kept = 1;
  for (const drop of assignment?.policy?.dropOverloads ?? [])
    kept *= 1 - fraction(drop.dropPercentage);
  return {
    localityWeights,
    overprovisioningFactor: assignment?.policy?.overprovisioningFactor ?? 140,
    dropFraction: 1 - kept,
  };
}

const denominators: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

function fraction(percent: { numerator?: number; denominator?: unknown } | undefined): number {
  return (
    (percent?.numerator ?? 0) / (denominators[String(percent?.denominator ?? "HUNDRED")] ?? 100)
  );
}

function specOf(
  group: LocalityLbEndpointsJson,
  item: LbEndpointJson,
): Omit<EndpointSpec, "address"> {
  const edsHealth = String(item.healthStatus ?? "UNKNOWN");
  return {
    hostname: item.endpoint?.hostname ?? "",
    weight: item.loadBalancingWeight ?? 1,
    health: healthOf(edsHealth),
    edsHealth,
    metadata: item.metadata?.filterMetadata as Metadata | undefined,
    locality: localityOf(group),
    priority: group.priority ?? 0,
    ...checkConfigOf(item),
  };
}

function checkConfigOf(item: LbEndpointJson): Pick<EndpointSpec, "checkConfig"> {
  const config = item.endpoint?.healthCheckConfig;
  if (config === undefined) return {};
  const ip = config.address?.socketAddress?.address ?? "";
  if (config.address !== undefined && isIP(ip) === 0)
    throw refuse("load_assignment", `health_check_config.address: malformed IP address: ${ip}`);
  return {
    checkConfig: {
      ip,
      port: config.portValue || (config.address?.socketAddress?.portValue ?? 0),
      hostname: config.hostname ?? "",
      disabled: config.disableActiveHealthCheck === true,
    },
  };
}

function healthOf(status: string): HostHealth {
  if (status === "UNHEALTHY" || status === "DRAINING" || status === "TIMEOUT") return "unhealthy";
  return status === "DEGRADED" ? "degraded" : "healthy";
}

function localityOf(group: LocalityLbEndpointsJson): Locality {
  return {
    region: group.locality?.region ?? "",
    zone: group.locality?.zone ?? "",
    subZone: group.locality?.subZone ?? "",
  };
}

function literalAddress(address: AddressJson | undefined): Address {
  if (address?.pipe !== undefined) return pipeAddress(address.pipe.path ?? "");
  const socket = address?.socketAddress;
  if (socket === undefined)
    throw refuse("load_assignment", "an endpoint needs a socket address or a pipe");
  const ip = socket.address ?? "";
  if (isIP(ip) === 0) {
    throw refuse(
      "load_assignment",
      `malformed IP address: ${ip}. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'`,
    );
  }
  return ipAddress(ip, socket.portValue ?? 0);
}
