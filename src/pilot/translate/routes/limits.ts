import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";

/** What Istio says of all outbound route configurations: clusters may come later, and direct responses have up to 1 MiB. */
export const routeLimits: Pick<
  RouteConfigurationJson,
  "validateClusters" | "maxDirectResponseBodySizeBytes"
> = { validateClusters: false, maxDirectResponseBodySizeBytes: 1024 * 1024 };

/** What a proxy gets that asks for routes that no listener of its has any longer: nothing matches. */
export function emptyRoutes(name: string): RouteConfigurationJson {
  return { name, validateClusters: false };
}
