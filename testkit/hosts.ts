import { ipAddress } from "#net/address.ts";
import type { ClusterMembers, EndpointSpec, Host } from "#proxy/cluster/host.ts";
import { makeHost } from "#proxy/cluster/make-host.ts";

/** An endpoint as discovery would report it; its address is `10.0.0.INDEX:80`. */
export function endpoint(index: number, facts: Partial<EndpointSpec> = {}): EndpointSpec {
  return {
    address: ipAddress(`10.0.${index >> 8}.${index & 255}`, 80),
    hostname: "",
    weight: 1,
    health: "healthy",
    edsHealth: "UNKNOWN",
    metadata: undefined,
    locality: { region: "", zone: "", subZone: "" },
    priority: 0,
    ...facts,
  };
}

export function host(index: number, facts: Partial<EndpointSpec> = {}): Host {
  return makeHost(endpoint(index, facts));
}

export function members(
  endpoints: readonly EndpointSpec[],
  facts: Partial<ClusterMembers> = {},
): ClusterMembers {
  return {
    cluster: "c",
    endpoints,
    localityWeights: {},
    overprovisioningFactor: 140,
    dropFraction: 0,
    ...facts,
  };
}
