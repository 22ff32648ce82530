/** TCP proxies: what takes the bytes of a connection to a cluster. */
import type { FilterJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { TcpProxyJson } from "#gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import type { SubsetJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { RouteDestinationJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { Service, ServicePort } from "#model/service.ts";
import { type Rule, rulesBehind } from "../../provenance.ts";
import type { DestinationRule, OutboundScope, VirtualService } from "../../view.ts";
import { packed } from "../any.ts";
import { statNameOf } from "../clusters/stat-name.ts";
import { blackHoleCluster, destinationCluster } from "../destination.ts";
import { isDynamic } from "../dynamic-dns.ts";
import { outboundTrafficPolicy } from "../outbound-traffic-policy.ts";
import { accessLogs } from "./access-log.ts";
import { serverNameLookup } from "./dynamic-dns.ts";
import type { ListenerTraits } from "./traits.ts";

export interface TcpContext {
  readonly scope: OutboundScope;
  readonly traits: ListenerTraits;
}

/** What a chain does with a connection, and who said so. */
export interface Forwarding {
  readonly filters: readonly FilterJson[];
  readonly rules: readonly Rule[];
}

/** Redis, MySQL and MongoDB are plain TCP here: filters that read their protocols come with a later issue. */
export function tcpProxy(config: TcpProxyJson): FilterJson {
  return {
    name: "envoy.filters.network.tcp_proxy",
    typedConfig: packed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", config),
  };
}

/** Connections that only a mistake can make: to the listener's own port, which would come back to it for ever. */
export function blackHoleFilters(): readonly FilterJson[] {
  return [tcpProxy({ statPrefix: blackHoleCluster, cluster: blackHoleCluster })];
}

/** Connections to what no service of the registry takes: on to where they were going, or closed. */
export function unknownDestinationFilters(context: TcpContext): readonly FilterJson[] {
  const cluster = outboundTrafficPolicy(context.scope).tcpCluster ?? blackHoleCluster;
  return [logged({ statPrefix: cluster, cluster, ...idleTimeout(undefined, context) }, context)];
}

export interface SingleDestination {
  readonly cluster: string;
  readonly statPrefix: string;
  readonly subset: string;
  readonly rule: DestinationRule | undefined;
  /** Whose address the client's server name is looked up for: a service whose endpoints nobody lists. */
  readonly dynamic?: { readonly service: Service; readonly port: number } | undefined;
  /** False: bytes that are TLS between others, which a tunnel of this proxy's would wrap once more. */
  readonly tunnels: boolean;
}

export function singleDestination(destination: SingleDestination, context: TcpContext): Forwarding {
  const { cluster, statPrefix, subset, rule } = destination;
  const config: TcpProxyJson = {
    statPrefix,
    cluster,
    ...connectionLimits(rule, context),
    ...hashPolicy(rule, subset),
    ...(destination.tunnels ? tunnel(rule, subset) : {}),
  };
  const { dynamic } = destination;
  const lookup =
    dynamic === undefined ? [] : [serverNameLookup(dynamic.service, dynamic.port, context)];
  return { filters: [...lookup, logged(config, context)], rules: destinationRules(rule) };
}

function dynamicDestination(
  service: Service | undefined,
  port: number,
): SingleDestination["dynamic"] {
  return service !== undefined && isDynamic(service) ? { service, port } : undefined;
}

/** A service without rules of its own: its port's cluster. */
export function serviceDestination(
  service: Service,
  port: ServicePort,
  context: TcpContext,
): Forwarding {
  const { scope } = context;
  // A port that the Sidecar made up means the service's only port; of several, none can be meant (and calls find no cluster).
  const [only] = service.ports.length === 1 ? service.ports : [];
  const number = only?.number ?? port.number;
  const cluster = destinationCluster(
    { host: service.hostname, port: { number } },
    { service: () => undefined, listenerPort: number },
  );
  return singleDestination(
    {
      cluster,
      statPrefix: statName(scope, { service, port: { ...port, number }, subset: "" }) ?? cluster,
      subset: "",
      rule: scope.destinationRule(service.hostname),
      dynamic: dynamicDestination(service, number),
      tunnels: true,
    },
    context,
  );
}

export interface RoutedTo {
  readonly routes: readonly RouteDestinationJson[];
  readonly port: ServicePort;
  readonly object: VirtualService;
}

/** The destinations of a VirtualService's TCP or TLS route. */
export function routeDestinations(to: RoutedTo, context: TcpContext): Forwarding {
  const [first] = to.routes;
  if (first !== undefined && to.routes.length === 1) return oneRoute(first, to, context);
  return weightedRoutes(to, context);
}

function oneRoute(
  { destination = {} }: RouteDestinationJson,
  { port }: RoutedTo,
  context: TcpContext,
): Forwarding {
  const { scope } = context;
  const service = scope.service(destination.host ?? "");
  const subset = destination.subset ?? "";
  const cluster = clusterOf(destination, port, scope);
  const name = service === undefined ? undefined : statName(scope, { service, port, subset });
  return singleDestination(
    {
      cluster,
      statPrefix: name ?? cluster,
      subset,
      rule: service && scope.destinationRule(service.hostname),
      dynamic: dynamicDestination(service, destination.port?.number ?? port.number),
      tunnels: true,
    },
    context,
  );
}

/** The listener's own settings are those of the first destination's rule: there is one connection before a cluster is chosen. */
function weightedRoutes({ routes, port, object }: RoutedTo, context: TcpContext): Forwarding {
  const { scope } = context;
  const service = scope.service(routes[0]?.destination?.host ?? "");
  const rule = service && scope.destinationRule(service.hostname);
  const clusters = routes
    .filter(({ weight = 0 }) => weight > 0)
    .map(({ destination = {}, weight = 0 }) => ({
      name: clusterOf(destination, port, scope),
      weight,
    }));
  const config: TcpProxyJson = {
    statPrefix: `${object.metadata.name}.${object.metadata.namespace}`,
    // Weights that are all 0 say that nobody shall get it; Envoy wants at least one cluster.
    ...(clusters.length === 0 ? { cluster: blackHoleCluster } : { weightedClusters: { clusters } }),
    ...connectionLimits(rule, context),
    ...hashPolicy(rule, ""),
    ...tunnel(rule, ""),
  };
  return { filters: [logged(config, context)], rules: destinationRules(rule) };
}

function clusterOf(
  destination: NonNullable<RouteDestinationJson["destination"]>,
  port: ServicePort,
  scope: OutboundScope,
): string {
  return destinationCluster(destination, {
    service: (hostname) => scope.service(hostname),
    listenerPort: port.number,
  });
}

export function statName(
  { mesh }: OutboundScope,
  values: {
    readonly service: Service;
    readonly port: ServicePort;
    readonly subset: string;
  },
): string | undefined {
  const pattern = mesh.outboundClusterStatName ?? "";
  return pattern === "" ? undefined : statNameOf(pattern, { ...values, targetPort: 0 });
}

export function logged(config: TcpProxyJson, { scope }: Pick<TcpContext, "scope">): FilterJson {
  const logs = accessLogs(scope.mesh);
  return tcpProxy(logs.length === 0 ? config : { ...config, accessLog: [...logs] });
}

function connectionLimits(
  rule: DestinationRule | undefined,
  context: TcpContext,
): Partial<TcpProxyJson> {
  const tcp = rule?.spec.trafficPolicy?.connectionPool?.tcp;
  return {
    ...idleTimeout(tcp?.idleTimeout, context),
    ...(tcp?.maxConnectionDuration === undefined
      ? {}
      : { maxDownstreamConnectionDuration: tcp.maxConnectionDuration }),
  };
}

function idleTimeout(
  own: string | undefined,
  { traits }: Pick<TcpContext, "traits">,
): Partial<TcpProxyJson> {
  const timeout = own ?? traits.idleTimeout;
  return timeout === undefined ? {} : { idleTimeout: timeout };
}

/** Of TCP a client's address is all that a hash can use. */
function hashPolicy(rule: DestinationRule | undefined, subset: string): Partial<TcpProxyJson> {
  const balancer =
    subsetOf(rule, subset)?.trafficPolicy?.loadBalancer ?? rule?.spec.trafficPolicy?.loadBalancer;
  return balancer?.consistentHash?.useSourceIp === true ? { hashPolicy: [{ sourceIp: {} }] } : {};
}

function tunnel(rule: DestinationRule | undefined, subset: string): Partial<TcpProxyJson> {
  const policy = subset === "" ? rule?.spec.trafficPolicy : subsetOf(rule, subset)?.trafficPolicy;
  const settings = policy?.tunnel;
  if (settings === undefined) return {};
  const { targetHost = "", targetPort = 0, protocol } = settings;
  const host = targetHost.includes(":") ? `[${targetHost}]` : targetHost;
  return {
    tunnelingConfig: {
      hostname: `${host}:${targetPort}`,
      ...(protocol === "POST" ? { usePost: true } : {}),
    },
  };
}

function subsetOf(rule: DestinationRule | undefined, subset: string): SubsetJson | undefined {
  return subset === "" ? undefined : rule?.spec.subsets?.find(({ name }) => name === subset);
}

function destinationRules(rule: DestinationRule | undefined): readonly Rule[] {
  if (rule === undefined) return [];
  const written = rulesBehind(rule);
  return written.length > 0 ? written : [{ object: rule, keys: ["spec"] }];
}
