import { addressText } from "#net/address.ts";
import type { EndpointSpec, Host } from "./host.ts";
import { applyFlags } from "./host-health.ts";

/** A host that nobody has used yet. */
export function makeHost(endpoint: EndpointSpec): Host {
  const host: Host = {
    address: endpoint.address,
    addressText: addressText(endpoint.address),
    hostname: endpoint.hostname,
    metadata: endpoint.metadata,
    locality: endpoint.locality,
    priority: endpoint.priority,
    weight: endpoint.weight,
    health: endpoint.health,
    declaredHealth: endpoint.health,
    edsHealth: endpoint.edsHealth,
    check: undefined,
    failedActiveCheck: false,
    degradedByCheck: false,
    ejected: false,
    degradedByOutlier: false,
    excluded: false,
    failImmediately: undefined,
    outlier: undefined,
    load: undefined,
    healthySinceMs: 0,
    requestsActive: 0,
    connectionsActive: 0,
    connectionsOpening: 0,
    requestsTotal: 0,
    requestsSuccess: 0,
    requestsError: 0,
    requestsTimeout: 0,
    connectionsTotal: 0,
    connectFailures: 0,
    removed: false,
  };
  applyFlags(host, endpoint.check);
  return host;
}
