/** All that Pilot would send to one proxy, at once. */
import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { generateClusters } from "./translate/clusters/generate.ts";
import { generateEndpoints } from "./translate/endpoints/generate.ts";
import {
  generateGrpcClusters,
  generateGrpcEndpoints,
  generateGrpcListeners,
  isGrpcNode,
} from "./translate/grpc/generate.ts";
import { generateGrpcRoutes } from "./translate/grpc/routes.ts";
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
  return isGrpcNode(view.node) ? generateGrpc(view) : generateForProxy(view);
}

/** A gRPC client that dials everything. */
function generateGrpc(view: ProxyView): GeneratedXds {
  const clusters = generateGrpcClusters(view);
  const listeners = generateGrpcListeners(view);
  const names = listeners.flatMap(({ apiListener }) => routeNameOf(apiListener?.apiListener));
  return {
    clusters,
    endpoints: generateGrpcEndpoints(view, new Set(clusters.flatMap(assignmentNames))),
    listeners,
    routes: generateGrpcRoutes(view, new Set(names)),
  };
}

function assignmentNames({ name = "", type, edsClusterConfig }: ClusterJson): readonly string[] {
  return type === "EDS" ? [edsClusterConfig?.serviceName || name] : [];
}

function generateForProxy(view: ProxyView): GeneratedXds {
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
  return filters.flatMap(({ typedConfig }) => routeNameOf(typedConfig));
}

function routeNameOf(manager: AnyJson | undefined): readonly string[] {
  if (manager?.["@type"] !== managerType) return [];
  // Proof: its type is right above, and Pilot writes canonical ProtoJSON.
  const { rds } = manager as HttpConnectionManagerJson;
  return rds?.routeConfigName === undefined ? [] : [rds.routeConfigName];
}
