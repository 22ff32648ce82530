import type { HostStatus } from "../worker-protocol.ts";
import type { Host } from "./host.ts";

/** A host as /clusters shows it. */
export function hostStatus(host: Host): HostStatus {
  return {
    address: host.addressText,
    hostname: host.hostname,
    health: host.health,
    edsHealth: host.edsHealth,
    check: host.check,
    ejected: host.ejected,
    degradedByOutlier: host.degradedByOutlier,
    weight: host.weight,
    priority: host.priority,
    region: host.locality.region,
    zone: host.locality.zone,
    subZone: host.locality.subZone,
    connectionsActive: host.connectionsActive,
    connectFailures: host.connectFailures,
    connectionsTotal: host.connectionsTotal,
    requestsActive: host.requestsActive,
    requestsError: host.requestsError,
    requestsSuccess: host.requestsSuccess,
    requestsTimeout: host.requestsTimeout,
    requestsTotal: host.requestsTotal,
    successRate: -1,
    localOriginSuccessRate: -1,
  };
}

/** The same host in several workers: what counts is added up. */
export function mergeHostStatus(a: HostStatus, b: HostStatus): HostStatus {
  return {
    ...a,
    connectionsActive: a.connectionsActive + b.connectionsActive,
    connectFailures: a.connectFailures + b.connectFailures,
    connectionsTotal: a.connectionsTotal + b.connectionsTotal,
    requestsActive: a.requestsActive + b.requestsActive,
    requestsError: a.requestsError + b.requestsError,
    requestsSuccess: a.requestsSuccess + b.requestsSuccess,
    requestsTimeout: a.requestsTimeout + b.requestsTimeout,
    requestsTotal: a.requestsTotal + b.requestsTotal,
  };
}
