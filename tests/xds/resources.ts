import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";

const type = (message: string): string => `type.googleapis.com/${message}`;
export const adsSource: ConfigSourceJson = { ads: {}, resourceApiVersion: "V3" };

export function edsCluster(name: string, edsConfig: ConfigSourceJson = adsSource): ClusterJson {
  return { name, type: "EDS", connectTimeout: "5s", edsClusterConfig: { edsConfig } };
}

/** Envoy refuses it: LOGICAL_DNS has one endpoint. */
export function refusedCluster(name: string): ClusterJson {
  const endpoint = { endpoint: { address: socket("example.invalid", 80) } };
  return {
    name,
    type: "LOGICAL_DNS",
    connectTimeout: "5s",
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [endpoint, endpoint] }] },
  };
}

function socket(address: string, portValue: number) {
  return { socketAddress: { address, portValue } };
}

export function assignment(
  clusterName: string,
  ports: readonly number[],
): ClusterLoadAssignmentJson {
  const lbEndpoints = ports.map((port) => ({ endpoint: { address: socket("127.0.0.1", port) } }));
  return {
    clusterName,
    endpoints: [{ locality: { region: "r" }, loadBalancingWeight: 1, lbEndpoints }],
  };
}

const router = {
  name: "envoy.filters.http.router",
  typedConfig: { "@type": type("envoy.extensions.filters.http.router.v3.Router") },
};

function manager(routeConfigName: string, configSource: ConfigSourceJson) {
  return {
    "@type": type(
      "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    ),
    statPrefix: "in",
    rds: { routeConfigName, configSource },
    httpFilters: [router],
  };
}

export function httpListener(
  name: string,
  routeConfigName: string,
  configSource: ConfigSourceJson = adsSource,
): ListenerJson {
  const filter = {
    name: "envoy.filters.network.http_connection_manager",
    typedConfig: manager(routeConfigName, configSource),
  };
  return { name, address: socket("127.0.0.1", 0), filterChains: [{ filters: [filter] }] };
}

/** For gRPC clients: the listener is the target of their `xds:///name`. */
export function apiListener(name: string, routeConfigName: string): ListenerJson {
  return { name, apiListener: { apiListener: manager(routeConfigName, adsSource) } };
}

export function routeTo(name: string, cluster: string): RouteConfigurationJson {
  const route = { match: { prefix: "" }, route: { cluster } };
  return { name, virtualHosts: [{ name: "all", domains: ["*"], routes: [route] }] };
}

export function routeAnswering(name: string, body: string): RouteConfigurationJson {
  const route = {
    match: { prefix: "/" },
    directResponse: { status: 200, body: { inlineString: body } },
  };
  return { name, virtualHosts: [{ name: "all", domains: ["*"], routes: [route] }] };
}
