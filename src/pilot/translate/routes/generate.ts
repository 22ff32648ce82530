/** RDS: the routes of a proxy's listeners. */
import type { VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import { isHttp } from "#model/protocol.ts";
import type { OutboundScope, ProxyView } from "../../view.ts";
import { isHttpOrSniffed } from "../protocols.ts";
import { hostPort } from "./domains.ts";
import { gatewayRoutes } from "./gateway.ts";
import { emptyRoutes } from "./limits.ts";
import { httpProxyRoute, SidecarRoutes } from "./sidecar.ts";

/**
 * The route configurations that a proxy asks for, in the order of their names; one that no listener has any longer is empty. A sidecar's
 * depend on its scope only, and are made once for all proxies that share it.
 */
export function generateRoutes(
  view: ProxyView,
  names: ReadonlySet<string> | "all",
): readonly RouteConfigurationJson[] {
  const wanted = names === "all" ? routeNames(view) : names;
  return [...wanted].sort().map((name) => routeConfiguration(name, view) ?? emptyRoutes(name));
}

interface Cache {
  readonly sidecar: SidecarRoutes;
  readonly routes: Map<string, RouteConfigurationJson | undefined>;
}

/** More names than these are made anew each time: a proxy may ask for any. */
const cachedMax = 16_384;

/** By what a scope's routes depend on, by a gateway's servers, and by whether attempts are counted. */
const caches = new WeakMap<OutboundScope["key"], WeakMap<object, Map<boolean, Cache>>>();

function routeConfiguration(name: string, view: ProxyView): RouteConfigurationJson | undefined {
  const counted = countsAttempts(view);
  const flags: VirtualHostFlags = counted ? { includeRequestAttemptCount: true } : {};
  const { routes, sidecar } = cacheOf(view, counted, flags);
  if (routes.has(name)) return routes.get(name);
  const { scope } = view;
  const made =
    scope.type === "router" ? gatewayRoutes(name, view, flags) : sidecar.routes(name, scope);
  if (routes.size < cachedMax) routes.set(name, made);
  return made;
}

type VirtualHostFlags = Pick<VirtualHostJson, "includeRequestAttemptCount">;

function cacheOf({ scope, servers }: ProxyView, counted: boolean, flags: VirtualHostFlags): Cache {
  const byServers = caches.get(scope.key) ?? new WeakMap<object, Map<boolean, Cache>>();
  caches.set(scope.key, byServers);
  const owner = scope.type === "router" ? servers : scope.key;
  const byFlag = byServers.get(owner) ?? new Map<boolean, Cache>();
  byServers.set(owner, byFlag);
  const cache = byFlag.get(counted) ?? { sidecar: new SidecarRoutes(flags), routes: new Map() };
  byFlag.set(counted, cache);
  return cache;
}

/** Upstreams are told by x-envoy-attempt-count, unless the proxy's configuration or the mesh's says otherwise. */
function countsAttempts({ node, scope }: ProxyView): boolean {
  const own = disabledIn(node.metadata["PROXY_CONFIG"]);
  return !(own ?? scope.mesh.defaultConfig?.proxyHeaders?.attemptCount?.disabled ?? false);
}

/** A node's metadata is whatever the proxy sent. */
function disabledIn(proxyConfig: unknown): boolean | undefined {
  const disabled = member(member(member(proxyConfig, "proxyHeaders"), "attemptCount"), "disabled");
  return typeof disabled === "boolean" ? disabled : undefined;
}

function member(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.getOwnPropertyDescriptor(value, key)?.value
    : undefined;
}

/** All that the proxy's listeners could ask for. */
function routeNames({ scope, servers }: ProxyView): ReadonlySet<string> {
  if (scope.type === "router") {
    const merged = servers.flatMap((port) => port.servers);
    return new Set(merged.flatMap(({ routeName }) => routeName ?? []));
  }
  const names = new Set<string>();
  for (const { listener, services } of scope.egress) {
    if (listener?.port !== undefined) {
      names.add(listener.bind?.startsWith("unix://") ? listener.bind : `${listener.port.number}`);
      continue;
    }
    for (const { hostname, ports } of services) {
      for (const { number, protocol } of ports) {
        if (isHttpOrSniffed(protocol)) names.add(`${number}`);
        if (isHttpOrSniffed(protocol) && !isHttp(protocol)) names.add(hostPort(hostname, number));
      }
    }
  }
  if (scope.mesh.proxyHttpPort) names.add(httpProxyRoute);
  return names;
}
