import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { Rule } from "../../provenance.ts";

/** Names of a virtual host that an older one has already (Istio counts them in `pilot_vservice_dup_domain`). */
export interface DroppedDomains {
  readonly virtualHost: string;
  readonly domains: readonly string[];
  /** All of it: the virtual host is not there. */
  readonly whole: boolean;
  readonly rules: readonly Rule[];
}

const droppedOf = new WeakMap<RouteConfigurationJson, readonly DroppedDomains[]>();

export function rememberDropped(
  configuration: RouteConfigurationJson,
  dropped: readonly DroppedDomains[],
): RouteConfigurationJson {
  if (dropped.length > 0) droppedOf.set(configuration, dropped);
  return configuration;
}

export function droppedDomains(configuration: RouteConfigurationJson): readonly DroppedDomains[] {
  return droppedOf.get(configuration) ?? [];
}
