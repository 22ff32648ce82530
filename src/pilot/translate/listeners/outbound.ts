/** Listeners towards others, from the scope alone: shared by all proxies that see the same. */
import { isIP } from "node:net";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { protocolOf } from "#model/protocol.ts";
import type { Endpoint, Service, ServicePort } from "#model/service.ts";
import type { EgressView, OutboundScope } from "../../view.ts";
import { isDynamic, namesItsDestination } from "../dynamic-dns.ts";
import { apart, type Chain, httpProtocols } from "./chain.ts";
import { type Binding, listenerName, outboundListener } from "./listener.ts";
import { type MemoContext, remembered } from "./listener-memo.ts";
import { httpChain, type OutboundTarget, tcpChains } from "./outbound-chains.ts";
import { listenerProtocol, OutboundTable } from "./outbound-table.ts";
import type { ListenerProblem } from "./problems.ts";

export interface OutboundListeners {
  readonly listeners: readonly {
    readonly listener: ListenerJson;
    /** Of a headless service's endpoint: the workload that is that endpoint reaches itself without it. */
    readonly instance: string | undefined;
  }[];
  readonly problems: readonly ListenerProblem[];
  /** Of headless services: with other endpoints there are other listeners. */
  readonly endpointsRead: readonly EndpointsRead[];
}

export interface EndpointsRead {
  readonly service: Service;
  readonly endpoints: readonly Endpoint[];
}

export interface OutboundOptions extends MemoContext {
  /** Only the ports that the Sidecar names: the host's other ports belong to other sidecars. */
  readonly namedPortsOnly: boolean;
}

export function outboundListeners(options: OutboundOptions): OutboundListeners {
  const table = new OutboundTable();
  const endpointsRead: EndpointsRead[] = [];
  const building = { ...options, endpointsRead };
  for (const egress of options.scope.egress) addEgress(table, egress, building);
  const listeners = [...table.entries()].map(({ binding, first, chains, instance }) => ({
    listener:
      chains === undefined ? first.listener() : separated(binding, chains, { table, options }),
    instance,
  }));
  return { listeners, problems: table.problems, endpointsRead };
}

function separated(
  binding: Binding,
  chains: readonly Chain[],
  { table, options }: { readonly table: OutboundTable; readonly options: OutboundOptions },
): ListenerJson {
  const separate = apart(chains, (message) =>
    table.problems.push({
      metric: "pilot_conflict_outbound_listener_tcp_over_current_tcp",
      listener: listenerName(binding),
      message,
    }),
  );
  return outboundListener(binding, separate, options);
}

interface Building extends OutboundOptions {
  readonly endpointsRead: EndpointsRead[];
}

/** Where an egress listener listens. */
interface Place {
  /** Undefined: each service's own address. */
  readonly bind: string | undefined;
  readonly bindToPort: boolean;
}

function addEgress(table: OutboundTable, egress: EgressView, options: Building): void {
  const place = placeOf(egress, options);
  const named = egress.listener?.port;
  if (named !== undefined) {
    const port: ServicePort = {
      number: named.number ?? 0,
      name: named.name ?? "",
      protocol: protocolOf(named.protocol),
    };
    if (!mayListen(place, port, options)) return;
    for (const service of egress.services)
      addPort(table, { service, port, place, egress }, options);
    return;
  }
  table.lock();
  if (options.namedPortsOnly) return;
  for (const service of egress.services) {
    for (const port of service.ports) {
      if (!mayListen(place, port, options)) continue;
      addCatchAll(table, { service, port, place, egress }, options);
    }
  }
}

function placeOf({ listener }: EgressView, { scope, traits }: OutboundOptions): Place {
  const bind = listener?.bind || undefined;
  const bindToPort =
    scope.interceptionMode === "NONE" ||
    listener?.captureMode === "NONE" ||
    bind?.startsWith("unix://") === true;
  return { bind: bind ?? (bindToPort ? traits.loopback : undefined), bindToPort };
}

/** The proxy's static listeners and those that take redirected connections keep their ports; low ones need root. */
function mayListen(
  { bind, bindToPort }: Place,
  { number, protocol }: ServicePort,
  { scope: { mesh }, traits }: OutboundOptions,
): boolean {
  if (bindToPort && traits.unprivileged && number > 0 && number < 1024) return false;
  const shared =
    bind === undefined ? listenerProtocol(protocol) === "http" : bind === traits.wildcard;
  if (!shared) return true;
  const reserved = [mesh.proxyListenPort, mesh.proxyInboundListenPort, ...traits.reservedPorts];
  return !reserved.includes(number);
}

interface Candidate {
  readonly service: Service;
  readonly port: ServicePort;
  readonly place: Place;
  readonly egress: EgressView;
}

/**
 * A headless service's clients dial its endpoints, so there is a listener for each; HTTP is told apart by its Host header, on one
 * listener for all addresses.
 */
function addCatchAll(table: OutboundTable, candidate: Candidate, options: Building): void {
  const { service, port, place } = candidate;
  const { scope } = options;
  const headless = service.resolution === "passthrough" && addressesOf(service, scope).length === 0;
  if (place.bind !== undefined || !headless || listenerProtocol(port.protocol) === "http") {
    addPort(table, candidate, options);
    return;
  }
  const endpoints = scope.endpoints(service);
  options.endpointsRead.push({ service, endpoints });
  // Of a ServiceEntry without endpoints nobody knows the addresses: any will do.
  const anywhere =
    endpoints.length === 0 && service.registry !== "Kubernetes" && service.selector === undefined;
  if (anywhere) {
    addPort(table, candidate, options);
    return;
  }
  for (const address of new Set(endpoints.map((endpoint) => endpoint.address))) {
    if (isIP(address) === 0) continue;
    const own = { ...candidate, place: { ...place, bind: address } };
    addAt(table, own, options, { bind: address, address: undefined, instance: address });
  }
}

/** What clients dial: addresses of the family that the proxy has, or the one that was given to a service without. */
export function addressesOf(
  { addresses, autoAddress, registry }: Service,
  { dnsCapture }: OutboundScope,
  wildcard: "0.0.0.0" | "::" = "0.0.0.0",
): readonly string[] {
  const family = wildcard === "::" ? 6 : 4;
  const own =
    registry === "Kubernetes"
      ? addresses.filter((address) => isIP(address) === family || address.includes("/"))
      : addresses;
  const dialled = own.filter((address) => address !== "0.0.0.0" && address !== "None");
  if (dialled.length > 0) return dialled;
  return dnsCapture && autoAddress !== undefined ? [autoAddress] : [];
}

interface Where {
  readonly bind: string;
  readonly cidr?: string | undefined;
  readonly address: string | undefined;
  readonly instance?: string | undefined;
}

function addPort(table: OutboundTable, candidate: Candidate, options: OutboundOptions): void {
  const { service, port, place } = candidate;
  const { wildcard } = options.traits;
  const protocol = listenerProtocol(port.protocol);
  const addresses = addressesOf(service, options.scope, wildcard);
  if (place.bind !== undefined || protocol === "http") {
    const bind = place.bind ?? wildcard;
    addAt(table, candidate, options, {
      bind,
      address: addresses.find((text) => !text.includes("/")),
    });
    return;
  }
  if (addresses.length === 0)
    addAt(table, candidate, options, { bind: wildcard, address: undefined });
  for (const address of addresses) {
    // A range of one address is an address: a listener of its own is touched less often than the shared one.
    const [ip = address, length] = address.split("/");
    const single = length === undefined || Number(length) === (isIP(ip) === 4 ? 32 : 128);
    addAt(
      table,
      candidate,
      options,
      single ? { bind: ip, address: ip } : { bind: wildcard, cidr: address, address: undefined },
    );
  }
}

function addAt(
  table: OutboundTable,
  { service, port, place, egress }: Candidate,
  options: OutboundOptions,
  { bind, cidr, address, instance }: Where,
): void {
  const protocol = listenerProtocol(port.protocol);
  if (service.resolution === "alias" || protocol === undefined) return;
  if (isDynamic(service) && !namesItsDestination(port)) return;
  const target: OutboundTarget = {
    service,
    port,
    bind,
    cidr,
    address,
    virtualServices: egress.virtualServices,
  };
  const { wildcard } = options.traits;
  const binding = { bind, port: port.number, bindToPort: place.bindToPort };
  const chains = (): readonly Chain[] => portChains(target, options);
  const make = (): ListenerJson => separated(binding, chains(), { table, options });
  table.add({
    binding,
    port,
    hostname: service.hostname,
    // HTTP for all addresses lets through what is none, for services that the registry does not know.
    protocol:
      protocol === "http" && bind === wildcard && port.protocol !== "HTTP_PROXY"
        ? "auto"
        : protocol,
    instance,
    chains,
    listener: () => remembered(target, binding, { context: options, make }),
  });
}

function portChains(target: OutboundTarget, options: OutboundOptions): readonly Chain[] {
  const { port, bind, service } = target;
  const { wildcard } = options.traits;
  const protocol = listenerProtocol(port.protocol);
  if (protocol === "tcp") return tcpChains(target, options);
  const shared = bind.startsWith("unix://") ? bind : String(port.number);
  const own = protocol === "auto" && bind !== wildcard && bind !== shared;
  const http = httpChain(
    {
      name: listenerName({ bind, port: port.number }),
      protocol: port.protocol,
      port: port.protocol === "HTTP_PROXY" ? undefined : port.number,
      routes: own ? `${service.hostname}:${port.number}` : shared,
    },
    options,
  );
  const sniffed: Chain = {
    ...http,
    applicationProtocols: httpProtocols(options.traits),
    transportProtocol: "raw_buffer",
  };
  if (protocol === "auto") return [...tcpChains(target, options), sniffed];
  return bind === wildcard && port.protocol !== "HTTP_PROXY" ? [sniffed] : [http];
}
