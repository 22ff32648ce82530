import type { Host, HostHealth } from "./host.ts";

/** The worst of what is known of a host (envoy: HostImpl::coarseHealth). */
export function combinedHealth(host: Host): HostHealth {
  if (host.failedActiveCheck || host.ejected || host.declaredHealth === "unhealthy")
    return "unhealthy";
  if (host.degradedByCheck || host.degradedByOutlier || host.declaredHealth === "degraded")
    return "degraded";
  return "healthy";
}
