import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";

export const faultFilter = "envoy.filters.http.fault";

const type = (message: string): string => `type.googleapis.com/envoy.extensions.filters.${message}`;

/** The filters that gRPC has. */
export const grpcFilters: readonly object[] = [
  { name: faultFilter, typedConfig: { "@type": type("http.fault.v3.HTTPFault") } },
  { name: "envoy.filters.http.router", typedConfig: { "@type": type("http.router.v3.Router") } },
];

export const managerType: string = type("network.http_connection_manager.v3.HttpConnectionManager");

const listeners = new Map<string, ListenerJson>();
const listenersMax = 100_000;

/** gRFC A27: what stands for a name that a client dials. The same object for the same name and routes. */
export function apiListener(name: string, routeConfigName: string): ListenerJson {
  const key = `${name} ${routeConfigName}`;
  const known = listeners.get(key);
  if (known !== undefined) return known;
  const manager = {
    "@type": managerType,
    rds: { routeConfigName, configSource: { ads: {}, resourceApiVersion: "V3" } },
    httpFilters: grpcFilters,
  };
  const made: ListenerJson = { name, apiListener: { apiListener: manager } };
  if (listeners.size >= listenersMax) listeners.clear();
  listeners.set(key, made);
  return made;
}
