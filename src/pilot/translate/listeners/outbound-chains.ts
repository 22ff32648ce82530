/** Filter chains towards one service on one port: of VirtualServices' TLS and TCP routes, else of the service itself. */
import type {
  L4MatchAttributesJson,
  TCPRouteJson,
  TLSMatchAttributesJson,
  TLSRouteJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { isTls } from "#model/protocol.ts";
import type { Protocol, Service, ServicePort } from "#model/service.ts";
import { type Rule, rulesBehind } from "../../provenance.ts";
import { meshGateway, type VirtualService } from "../../view.ts";
import { configMetadata } from "../metadata.ts";
import type { Chain } from "./chain.ts";
import { connectionRules } from "./connection-rules.ts";
import { dnsCachesFor } from "./dynamic-dns.ts";
import { httpConnectionManager } from "./http-connection-manager.ts";
import { routeDestinations, serviceDestination, type TcpContext } from "./tcp-proxy.ts";

export interface OutboundTarget {
  readonly service: Service;
  /** The listener's: what the Sidecar made up, or one of the service. */
  readonly port: ServicePort;
  /** The listener's address. */
  readonly bind: string;
  /** A range that the service is reached at, on a listener for all addresses. */
  readonly cidr: string | undefined;
  /** The address that clients dial, no range; undefined: none is known. */
  readonly address: string | undefined;
  readonly virtualServices: readonly VirtualService[];
}

export interface HttpListener {
  readonly name: string;
  readonly protocol: Protocol;
  /** The name of its routes. */
  readonly routes: string;
  /** The port of the services that they lead to; undefined: any. */
  readonly port: number | undefined;
}

export function httpChain(
  { name, protocol, routes, port }: HttpListener,
  context: TcpContext,
): Chain {
  const { scope, traits } = context;
  const filter = httpConnectionManager(
    {
      listenerClass: "outbound",
      statPrefix: `outbound_${name};`,
      routes,
      protocol,
    },
    { mesh: scope.mesh, traits, dnsCaches: dnsCachesFor(port, context) },
  );
  return { filters: [filter], rules: [] };
}

export function tcpChains(target: OutboundTarget, context: TcpContext): readonly Chain[] {
  const rules = connectionRules(target.virtualServices).of(target.service.hostname);
  return isTls(target.port.protocol)
    ? tlsRouteChains({ ...target, virtualServices: rules }, context)
    : tcpRouteChains({ ...target, virtualServices: rules }, context);
}

/** A route with its conditions that can be decided now: the others are the proxy's to match. */
function matchesNow(
  match: TLSMatchAttributesJson | L4MatchAttributesJson,
  { port }: OutboundTarget,
  { scope }: TcpContext,
): boolean {
  const { gateways = [], sourceLabels = {}, sourceNamespace = "" } = match;
  return (
    (gateways.length === 0 || gateways.includes(meshGateway)) &&
    Object.entries(sourceLabels).every(([name, value]) => scope.labels[name] === value) &&
    (match.port === undefined || match.port === 0 || match.port === port.number) &&
    (sourceNamespace === "" || sourceNamespace === scope.namespace)
  );
}

/** Of several matches with equal conditions the first wins: Envoy takes no two chains with the same. */
function tlsRouteChains(target: OutboundTarget, context: TcpContext): readonly Chain[] {
  const { port, virtualServices } = target;
  const handled = new Set<string>();
  const chains: Chain[] = [];
  for (const object of virtualServices) {
    for (const [place, route] of (object.spec.tls ?? []).entries()) {
      const { match = [], route: routes = [] } = route;
      for (const [index, conditions] of match.entries()) {
        if (!matchesNow(conditions, target, context) || routes.length === 0) continue;
        const { sniHosts = [], destinationSubnets = [] } = conditions;
        const key = JSON.stringify([sniHosts, destinationSubnets]);
        if (handled.has(key)) continue;
        handled.add(key);
        const own = destinationSubnets.length > 0 && port.number > 0;
        const { filters, rules } = routeDestinations({ routes, port, object }, context);
        chains.push({
          metadata: configMetadata(object),
          sniHosts,
          destinationCidrs: own ? destinationSubnets : serviceCidrs(target),
          filters,
          rules: [...writtenAt(route, { object, keys: ["spec", "tls", place] }, index), ...rules],
        });
      }
    }
  }
  return chains.length > 0
    ? chains
    : [serviceChain(target, context, { sniHosts: serviceSni(target) })];
}

/**
 * On a listener for all addresses only the server's name tells services apart; with an address of its own it would only turn away
 * clients that send none.
 */
function serviceSni({ service, bind, cidr, address }: OutboundTarget): readonly string[] {
  const shared = bind === "0.0.0.0" || bind === "::";
  return cidr !== undefined || (address === undefined && shared) ? [service.hostname] : [];
}

function tcpRouteChains(target: OutboundTarget, context: TcpContext): readonly Chain[] {
  const { port, virtualServices } = target;
  const chains: Chain[] = [];
  let covered = false;
  for (const object of virtualServices) {
    for (const [place, route] of (object.spec.tcp ?? []).entries()) {
      const { match = [], route: routes = [] } = route;
      if (routes.length === 0) continue;
      const subnets: string[] = [];
      const applying = match.filter((conditions) => matchesNow(conditions, target, context));
      if (match.length > 0 && applying.length === 0) continue;
      const unconditional = applying.find(
        ({ destinationSubnets = [] }) => destinationSubnets.length === 0 || port.number === 0,
      );
      for (const { destinationSubnets = [] } of applying) subnets.push(...destinationSubnets);
      const { filters, rules } = routeDestinations({ routes, port, object }, context);
      const found = unconditional && match.indexOf(unconditional);
      const own = writtenAt(route, { object, keys: ["spec", "tcp", place] }, found);
      const chain = { metadata: configMetadata(object), filters, rules: [...own, ...rules] };
      if (match.length === 0 || unconditional !== undefined)
        return [...chains, { ...chain, destinationCidrs: serviceCidrs(target) }];
      chains.push({ ...chain, destinationCidrs: subnets });
      // Envoy refuses two chains of equal conditions: the service's own would be the second.
      covered ||= equalSets(subnets, serviceCidrs(target));
    }
  }
  return covered ? chains : [...chains, serviceChain(target, context, {})];
}

/** Where a route was written, and which of its conditions applied. */
export function writtenAt(
  route: TLSRouteJson | TCPRouteJson,
  otherwise: Rule,
  match: number | undefined,
): readonly Rule[] {
  const known = rulesBehind(route);
  const rules = known.length > 0 ? known : [otherwise];
  return match === undefined || match < 0
    ? rules
    : rules.map(({ object, keys }) => ({ object, keys: [...keys, "match", match] }));
}

function equalSets(a: readonly string[], b: readonly string[]): boolean {
  return a.length > 0 && [...a].sort().join() === [...b].sort().join();
}

const serviceCidrs = ({ cidr }: OutboundTarget): readonly string[] =>
  cidr === undefined ? [] : [cidr];

function serviceChain(
  target: OutboundTarget,
  context: TcpContext,
  match: Pick<Chain, "sniHosts">,
): Chain {
  const { service, port } = target;
  const { filters, rules } = serviceDestination(service, port, context);
  return {
    ...match,
    destinationCidrs: serviceCidrs(target),
    filters,
    rules: [...serviceRules(service, port), ...rules],
  };
}

export function serviceRules(service: Service, port: ServicePort): readonly Rule[] {
  if (service.object === undefined) return [];
  const index = service.ports.findIndex(({ number }) => number === port.number);
  return [{ object: service.object, keys: index < 0 ? ["spec"] : ["spec", "ports", index] }];
}
