/** A gateway's TCP servers, and those that pass TLS through by its server name. */
import type {
  L4MatchAttributesJson,
  TLSMatchAttributesJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { covers, overlap } from "#model/hostname.ts";
import { protocolOf } from "#model/protocol.ts";
import type { Service, ServicePort } from "#model/service.ts";
import { clusterNameOf } from "../../cluster-names.ts";
import type { MergedServer, VirtualService } from "../../view.ts";
import type { Chain } from "./chain.ts";
import type { GatewayContext } from "./gateway.ts";
import { serverHosts, serverRule } from "./gateway-server.ts";
import { gatewayTls } from "./gateway-tls.ts";
import { writtenAt } from "./outbound-chains.ts";
import { routeDestinations, singleDestination, statName } from "./tcp-proxy.ts";

export function gatewayTcpChains(
  merged: MergedServer,
  listener: string,
  context: GatewayContext,
): readonly Chain[] {
  const { tls } = merged.server;
  if (tls === undefined) return plainChains(merged, listener, context);
  switch (tls.mode ?? "PASSTHROUGH") {
    case "PASSTHROUGH":
      return passthroughChains(merged, context);
    case "AUTO_PASSTHROUGH":
      return autoPassthroughChains(merged, context);
    default:
      return terminatedChains(merged, listener, context);
  }
}

function plainChains(
  merged: MergedServer,
  listener: string,
  context: GatewayContext,
): readonly Chain[] {
  const chain = tcpRoute(merged, listener, context);
  return chain === undefined ? [] : [chain];
}

function terminatedChains(
  merged: MergedServer,
  listener: string,
  context: GatewayContext,
): readonly Chain[] {
  const chain = tcpRoute(merged, listener, context);
  const tls = chain && gatewayTls(merged, listener, context);
  return chain === undefined || tls === undefined
    ? []
    : [{ ...chain, sniHosts: serverHosts(merged.server), tls }];
}

/** The first TCP route that means this server; a connection shows nothing by which to choose among several. */
function tcpRoute(
  merged: MergedServer,
  listener: string,
  context: GatewayContext,
): Chain | undefined {
  for (const object of rulesOf(merged, context)) {
    for (const [place, route] of (object.spec.tcp ?? []).entries()) {
      const { match = [], route: routes = [] } = route;
      const found = match.findIndex((conditions) => means(conditions, merged));
      if (routes.length === 0 || (match.length > 0 && found < 0)) continue;
      const { filters, rules } = routeDestinations(
        { routes, port: portOf(merged), object },
        context,
      );
      const own = writtenAt(route, { object, keys: ["spec", "tcp", place] }, found);
      return { filters, rules: [...own, serverRule(merged), ...rules] };
    }
  }
  context.problems.push({
    listener,
    message: `Gateway ${merged.gateway}, server ${merged.index}: no VirtualService has a tcp route for it, so it takes no connections`,
  });
  return undefined;
}

function passthroughChains(merged: MergedServer, context: GatewayContext): readonly Chain[] {
  const chains: Chain[] = [];
  for (const object of rulesOf(merged, context)) {
    for (const [place, route] of (object.spec.tls ?? []).entries()) {
      const { match = [], route: routes = [] } = route;
      if (routes.length === 0) continue;
      for (const [index, conditions] of match.entries()) {
        const { sniHosts = [] } = conditions;
        if (!means(conditions, merged)) continue;
        const to = { routes, port: portOf(merged), object };
        const { filters, rules } = routeDestinations(to, context);
        const own = writtenAt(route, { object, keys: ["spec", "tls", place] }, index);
        chains.push({ sniHosts, filters, rules: [...own, serverRule(merged), ...rules] });
      }
    }
  }
  return chains;
}

/** What Istio's sidecars negotiate: nothing that is not mutual TLS between them gets through. */
const meshProtocols = [
  "istio",
  "istio-peer-exchange",
  "istio-http/1.0",
  "istio-http/1.1",
  "istio-h2",
];

/** By the cluster that a sidecar of another network names as the server: one chain for each of this network's. */
function autoPassthroughChains(merged: MergedServer, context: GatewayContext): readonly Chain[] {
  const hosts = serverHosts(merged.server);
  return context.scope.services
    .filter(
      ({ meshExternal, hostname }) => !meshExternal && hosts.some((host) => covers(host, hostname)),
    )
    .flatMap((service) =>
      service.ports
        .filter(({ protocol }) => protocol !== "UDP")
        .flatMap((port) => sniChains(service, port, merged, context)),
    );
}

function sniChains(
  service: Service,
  port: ServicePort,
  merged: MergedServer,
  context: GatewayContext,
): readonly Chain[] {
  const { hostname } = service;
  const rule = context.scope.destinationRule(hostname);
  const subsets = ["", ...(rule?.spec.subsets ?? []).map(({ name = "" }) => name)];
  return subsets.map((subset) => {
    const cluster = clusterNameOf({ hostname, port: port.number, subset }, "sni");
    const statPrefix = statName(context.scope, { service, port, subset }) ?? cluster;
    const to = { cluster, statPrefix, subset, rule, tunnels: false };
    const { filters, rules } = singleDestination(to, context);
    return {
      sniHosts: [cluster],
      applicationProtocols: meshProtocols,
      filters,
      rules: [serverRule(merged), ...rules],
    };
  });
}

/** VirtualServices of the gateway with a host that the server answers for, of a namespace that it takes rules from. */
function rulesOf(
  { server: { hosts = [] }, gateway, object }: MergedServer,
  { scope }: GatewayContext,
): readonly VirtualService[] {
  const takes = (text: string, host: string, namespace: string): boolean => {
    const [from = "*", name = ""] = text.includes("/") ? text.split("/") : ["*", text];
    const own = from === "." ? object.metadata.namespace : from;
    return (own === "*" || own === namespace) && overlap(name, host);
  };
  return scope
    .virtualServices(gateway)
    .filter(({ spec, metadata }) =>
      (spec.hosts ?? []).some((host) =>
        hosts.some((text) => takes(text, host, metadata.namespace)),
      ),
    );
}

function means(
  { port = 0, gateways = [] }: L4MatchAttributesJson | TLSMatchAttributesJson,
  { server, gateway }: MergedServer,
): boolean {
  return (
    (port === 0 || port === server.port?.number) &&
    (gateways.length === 0 || gateways.includes(gateway))
  );
}

function portOf({ server: { port = {} } }: MergedServer): ServicePort {
  return {
    number: port.number ?? 0,
    name: port.name ?? "",
    protocol: protocolOf(port.protocol),
  };
}
