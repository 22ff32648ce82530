import type { HostCheck } from "../health-check/host-check.ts";
import type { Host, HostHealth } from "./host.ts";

/** The worst of what is known of a host (envoy: HostImpl::coarseHealth). */
export function combinedHealth(host: Host): HostHealth {
  if (host.failedActiveCheck || host.ejected || host.declaredHealth === "unhealthy")
    return "unhealthy";
  if (host.degradedByCheck || host.degradedByOutlier || host.declaredHealth === "degraded")
    return "degraded";
  return "healthy";
}

/** What checks say of a host, and what follows from it. */
export function applyFlags(host: Host, check: HostCheck | undefined): void {
  host.check = check;
  host.failedActiveCheck = check?.failed === true;
  if (host.failedActiveCheck) host.healthySinceMs = 0;
  host.degradedByCheck = check?.degraded === true;
  host.excluded =
    check?.excluded === true || check?.pending === true || host.edsHealth === "DRAINING";
  host.health = combinedHealth(host);
}
