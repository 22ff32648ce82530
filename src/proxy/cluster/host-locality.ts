import type { Host } from "./host.ts";

/** Under which `ClusterMembers.localityWeights` has the weight of the host's locality. */
export function localityKey({ priority, locality }: Host): string {
  return `${priority}/${locality.region}/${locality.zone}/${locality.subZone}`;
}
