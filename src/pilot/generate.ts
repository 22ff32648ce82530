/** All that Pilot would send to one proxy, at once. */
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { generateClusters } from "./translate/clusters/generate.ts";
import { generateEndpoints } from "./translate/endpoints/generate.ts";
import { generateListeners } from "./translate/listeners/generate.ts";
import { generateRoutes } from "./translate/routes/generate.ts";
import type { ProxyView } from "./view.ts";

export interface GeneratedXds {
  readonly clusters: readonly ClusterJson[];
  readonly endpoints: readonly ClusterLoadAssignmentJson[];
  readonly listeners: readonly ListenerJson[];
  readonly routes: readonly RouteConfigurationJson[];
}

/** A proxy asks for the endpoints and routes that its clusters and listeners name: so it is here. */
export function generateXds(view: ProxyView): GeneratedXds {
  const clusters = generateClusters(view);
  const assignments = clusters.flatMap(
    ({ edsClusterConfig }) => edsClusterConfig?.serviceName ?? [],
  );
  const listeners = generateListeners(view);
  return {
    clusters,
    endpoints: generateEndpoints(view, new Set(assignments)),
    listeners,
    routes: generateRoutes(view, new Set(listeners.flatMap(routeNames))),
  };
}

function routeNames({ filterChains = [], defaultFilterChain }: ListenerJson): readonly string[] {
  const chains =
    defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
  return chains.flatMap(routeNamesOfChain);
}

const managerType =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

function routeNamesOfChain({ filters = [] }: FilterChainJson): readonly string[] {
  return filters.flatMap(({ typedConfig }) => {
    if (typedConfig?.["@type"] !== managerType) return [];
    // Proof: its type is right above, and Pilot writes canonical ProtoJSON.
    const { rds } = typedConfig as HttpConnectionManagerJson;
    return rds?.routeConfigName ?? [];
  });
}
