/** Listeners towards the workload itself. */
import { isIP } from "node:net";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { IstioIngressListenerJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import { type InboundPort, localPortsOf } from "#model/local-ports.ts";
import type { ProxyNode } from "#model/node.ts";
import { protocolOf } from "#model/protocol.ts";
import { inboundPassthroughCluster } from "../../cluster-names.ts";
import type { ProxyView, ServiceTarget, Sidecar } from "../../view.ts";
import { inboundCluster } from "../destination.ts";
import { configMetadata } from "../metadata.ts";
import { listenerAccessLogs } from "./access-log.ts";
import { type InboundTarget, inboundChains } from "./inbound-chains.ts";
import { listenerAddress, listenerName } from "./listener.ts";
import {
  exceptPorts,
  httpInspector,
  originalDestination,
  originalSource,
  tlsInspector,
} from "./listener-filters.ts";
import { serviceRules } from "./outbound-chains.ts";
import type { ListenerProblem } from "./problems.ts";
import { blackHoleFilters, type TcpContext } from "./tcp-proxy.ts";
import type { ListenerTraits } from "./traits.ts";

const virtualInbound = "virtualInbound";

export interface InboundListeners {
  readonly listeners: readonly ListenerJson[];
  readonly problems: readonly ListenerProblem[];
}

/** A target and where it listens by itself; undefined: it gets redirected connections. */
interface Bound {
  readonly target: InboundTarget;
  readonly bind: string | undefined;
}

export function inboundListeners(view: ProxyView, traits: ListenerTraits): InboundListeners {
  const { scope, node } = view;
  const context: TcpContext = { scope, traits };
  const problems: ListenerProblem[] = [];
  const bound = inboundTargets(view, traits, problems);
  const listeners: ListenerJson[] = [];
  if (scope.interceptionMode !== "NONE")
    listeners.push(
      virtualListener(
        bound.filter(({ bind }) => bind === undefined),
        node,
        context,
      ),
    );
  for (const { target, bind } of bound) {
    if (bind === undefined) continue;
    const port = target.port ?? 0;
    const chains = inboundChains(target, context);
    if (chains.length === 0) continue;
    listeners.push({
      ...inboundListener(listenerName({ bind, port }), chains, context),
      address: listenerAddress({ bind, port }),
      listenerFilters: [...inspectors(chains)],
    });
  }
  return { listeners, problems };
}

/** Metadata that names ports wins, then the Sidecar's ingress, then the services that the workload answers for. */
function inboundTargets(
  view: ProxyView,
  traits: ListenerTraits,
  problems: ListenerProblem[],
): readonly Bound[] {
  const { scope, node, targets } = view;
  const ports = localPortsOf(node.metadata);
  if (ports !== undefined && ports.inbound.length > 0)
    return ports.inbound.map((port) => ({ target: localTarget(port, targets), bind: port.bind }));
  const ingress = scope.sidecar?.spec.ingress ?? [];
  if (scope.sidecar !== undefined && ingress.length > 0)
    return ingressTargets(scope.sidecar, view, traits, problems);
  // Without interception a listener would take the very port that the workload listens on.
  if (scope.interceptionMode === "NONE") return [];
  return serviceTargets(view, traits, problems);
}

/** One of each port: the oldest service's, whose protocol then holds. */
function serviceTargets(
  { targets, scope: { mesh } }: ProxyView,
  { wildcard, reservedPorts }: ListenerTraits,
  problems: ListenerProblem[],
): readonly Bound[] {
  const reserved = [mesh.proxyListenPort, mesh.proxyInboundListenPort, ...reservedPorts];
  const byPort = new Map<number, ServiceTarget>();
  for (const target of targets) {
    const { targetPort, port, service } = target;
    if (reserved.includes(targetPort)) continue;
    const existing = byPort.get(targetPort);
    if (existing === undefined) byPort.set(targetPort, target);
    else if (existing.port.protocol !== port.protocol && existing.service !== service)
      problems.push(conflict(targetPort, existing.service.hostname, service.hostname));
  }
  return [...byPort.values()]
    .sort((a, b) => a.targetPort - b.targetPort)
    .map((target) => ({ target: serviceTarget(target, wildcard), bind: undefined }));
}

function conflict(port: number, existing: string, incoming: string): ListenerProblem {
  return {
    metric: "pilot_conflict_inbound_listener",
    listener: virtualInbound,
    message: `port ${port} of the workload speaks another protocol for ${incoming} than for ${existing}, which is older and wins`,
  };
}

function serviceTarget({ service, port, targetPort }: ServiceTarget, bind: string): InboundTarget {
  const name = listenerName({ bind, port: targetPort });
  return {
    cluster: inboundCluster(targetPort),
    port: targetPort,
    protocol: port.protocol,
    name: { http: name, tcp: name },
    statPrefix: `inbound_${name};`,
    hostname: service.hostname,
    servicePort: port.number,
    service: { service, port },
    rules: serviceRules(service, port),
  };
}

/** The protocol of a port that no service has yet is found out from its bytes. */
function localTarget(
  { servicePort, bind, port }: InboundPort,
  targets: readonly ServiceTarget[],
): InboundTarget {
  const name = listenerName({ bind, port });
  const known = targets.find((target) => target.port.number === servicePort);
  return {
    cluster: inboundCluster(servicePort),
    port,
    protocol: known?.port.protocol ?? "auto",
    name: { http: name, tcp: name },
    statPrefix: `inbound_${name};`,
    hostname: known?.service.hostname ?? name,
    servicePort,
    service: known && { service: known.service, port: known.port },
    rules: known === undefined ? [] : serviceRules(known.service, known.port),
  };
}

function ingressTargets(
  sidecar: Sidecar,
  { node, scope }: ProxyView,
  traits: ListenerTraits,
  problems: ListenerProblem[],
): readonly Bound[] {
  const seen = new Set<number>();
  const bound: Bound[] = [];
  for (const [index, listener] of (sidecar.spec.ingress ?? []).entries()) {
    const number = listener.port?.number ?? 0;
    const physical = bindsToPort(listener, scope.interceptionMode);
    if (seen.has(number) || (physical && traits.unprivileged && number < 1024)) continue;
    seen.add(number);
    if (listener.tls !== undefined)
      problems.push({
        metric: "pilot_total_rejected_configs",
        listener: virtualInbound,
        message: `Sidecar ${sidecar.metadata.namespace}/${sidecar.metadata.name}: ingress port ${number} has tls, which Heddle does not do yet: the port takes plain text`,
      });
    const bind = listener.bind || ownAddress(node) || traits.wildcard;
    bound.push({
      target: ingressTarget(sidecar, listener, { index, bind }),
      bind: physical ? bind : undefined,
    });
  }
  return bound;
}

function bindsToPort(
  { captureMode = "DEFAULT" }: IstioIngressListenerJson,
  interceptionMode: ProxyNode["interceptionMode"],
): boolean {
  return captureMode === "DEFAULT" ? interceptionMode === "NONE" : captureMode === "NONE";
}

/** The address that others know, so that the workload can have the same port on the loopback. */
function ownAddress({ ipAddresses }: ProxyNode): string | undefined {
  return ipAddresses.find(
    (ip) => isIP(ip) !== 0 && !ip.startsWith("127.") && !/^(?:::1?|fe80:.*|0\.0\.0\.0)$/i.test(ip),
  );
}

function ingressTarget(
  sidecar: Sidecar,
  { port = {} }: IstioIngressListenerJson,
  { index, bind }: { readonly index: number; readonly bind: string },
): InboundTarget {
  const number = port.number ?? 0;
  const name = listenerName({ bind, port: number });
  return {
    cluster: inboundCluster(number),
    port: number,
    protocol: protocolOf(port.protocol),
    name: { http: name, tcp: name },
    statPrefix: `inbound_${name};`,
    // A Sidecar names no host; telemetry needs one.
    hostname: `${sidecar.metadata.name}.${sidecar.metadata.namespace}`,
    servicePort: number,
    metadata: configMetadata(sidecar),
    rules: [{ object: sidecar, keys: ["spec", "ingress", index] }],
  };
}

/** Gets all connections to the workload that are redirected: those of unknown ports pass through. */
function virtualListener(
  bound: readonly Bound[],
  node: ProxyNode,
  context: TcpContext,
): ListenerJson {
  const { scope, traits } = context;
  const port = scope.mesh.proxyInboundListenPort ?? 15006;
  const chains = [
    loopGuard(port),
    ...inboundChains(passthrough, context),
    ...bound.flatMap(({ target }) => inboundChains(target, context)),
  ];
  const transparent = node.interceptionMode === "TPROXY";
  return {
    ...inboundListener(virtualInbound, chains, context),
    address: listenerAddress({ bind: traits.wildcard, port }),
    listenerFilters: [
      originalDestination,
      ...(transparent ? [originalSource] : []),
      ...inspectors(chains),
    ],
    ...(transparent ? { transparent: true } : {}),
  };
}

const passthrough: InboundTarget = {
  cluster: inboundPassthroughCluster,
  port: undefined,
  protocol: "auto",
  name: { http: "virtualInbound-catchall-http", tcp: virtualInbound },
  statPrefix: `${inboundPassthroughCluster};`,
  hostname: "",
  servicePort: 0,
  rules: [],
};

function loopGuard(port: number): FilterChainJson {
  return {
    filterChainMatch: { destinationPort: port },
    filters: [...blackHoleFilters()],
    name: "virtualInbound-blackhole",
  };
}

function inboundListener(
  name: string,
  chains: readonly FilterChainJson[],
  { scope: { mesh } }: TcpContext,
): ListenerJson {
  const logs = listenerAccessLogs(mesh);
  return {
    name,
    filterChains: [...chains],
    listenerFiltersTimeout: mesh.protocolDetectionTimeout ?? "0s",
    continueOnListenerFiltersTimeout: true,
    trafficDirection: "INBOUND",
    ...(logs.length === 0 ? {} : { accessLog: [...logs] }),
    maxConnectionsToAcceptPerSocketEvent: 1,
  };
}

/** Those that some chain's conditions need, and not for the ports where none does. */
function inspectors(chains: readonly FilterChainJson[]): ListenerJson["listenerFilters"] & object {
  const needs = (test: (chain: FilterChainJson) => boolean): ReadonlyMap<number, boolean> => {
    const ports = new Map<number, boolean>();
    for (const chain of chains) {
      const port = chain.filterChainMatch?.destinationPort ?? 0;
      ports.set(port, ports.get(port) === true || test(chain));
    }
    return ports;
  };
  const tls = needs((chain) => chain.filterChainMatch?.transportProtocol === "tls");
  const http = needs((chain) => (chain.filterChainMatch?.applicationProtocols ?? []).length > 0);
  const except = (ports: ReadonlyMap<number, boolean>): readonly number[] =>
    [...ports].flatMap(([port, needed]) => (needed || port === 0 ? [] : [port]));
  return [
    ...([...tls.values()].includes(true) ? [exceptPorts(tlsInspector, except(tls))] : []),
    ...([...http.values()].includes(true) ? [exceptPorts(httpInspector, except(http))] : []),
  ];
}
