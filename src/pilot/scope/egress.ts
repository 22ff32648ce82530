import type { IstioEgressListenerJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import type { VirtualServiceJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { Service } from "#model/service.ts";
import type { EgressView, Sidecar, VirtualService } from "../view.ts";
import { EgressHosts } from "./egress-hosts.ts";
import { importedServices, matchesPort, ServiceSet, withPorts } from "./services.ts";

/** What a namespace may see of everything. */
export interface Visible {
  readonly namespace: string;
  /** Its own private ones first, then those exported to it, then the public ones. */
  readonly services: readonly Service[];
  /** For `mesh`. */
  readonly virtualServices: readonly VirtualService[];
}

export interface Egress {
  /** The listeners of a Sidecar, or the one that lets everything in; the one without a port last. */
  readonly views: readonly EgressView[];
  /** All services of all listeners, and those that their VirtualServices lead to without being imported by name. */
  readonly services: readonly Service[];
}

export function egressOf(visible: Visible, sidecar: Sidecar | undefined): Egress {
  const written = sidecar?.spec.egress ?? [];
  if (written.length === 0) {
    const services = everything(visible);
    const { virtualServices } = visible;
    return { views: [{ listener: undefined, services, virtualServices }], services };
  }
  const imported = written.map((listener) => egressView(visible, listener));
  const hasPort = ({ listener }: Imported): boolean => listener.port !== undefined;
  const views = [...imported.filter(hasPort), ...imported.filter((view) => !hasPort(view))];
  return { views, services: servicesOf(visible, views) };
}

/** By what may be seen, and, when hostnames are there twice, by who looks. */
const everythingSeen = new WeakMap<readonly Service[], Map<string, readonly Service[]>>();
const allHosts: IstioEgressListenerJson = { hosts: ["*/*"] };

/** Namespaces that may see the same share one list. */
function everything({ services, namespace }: Visible): readonly Service[] {
  const known = everythingSeen.getOrInsertComputed(services, () => new Map());
  const unique = known.get("");
  if (unique !== undefined) return unique;
  const hosts = new EgressHosts(allHosts.hosts ?? [], namespace);
  const imported = importedServices(services, namespace, { hosts, listener: allHosts });
  if (imported.length === services.length) known.set("", imported);
  return known.getOrInsertComputed(namespace, () => imported);
}

interface Imported extends EgressView {
  readonly listener: IstioEgressListenerJson;
}

function egressView(visible: Visible, listener: IstioEgressListenerJson): Imported {
  const hosts = new EgressHosts(listener.hosts ?? [], visible.namespace);
  return {
    listener,
    services: importedServices(visible.services, visible.namespace, { hosts, listener }),
    virtualServices: visible.virtualServices.filter((rule) => hosts.importsRule(rule)),
  };
}

function servicesOf(visible: Visible, views: readonly Imported[]): readonly Service[] {
  const services = new ServiceSet();
  for (const view of views) {
    for (const service of view.services) services.add(service);
    for (const service of destinations(visible, view)) services.add(service);
  }
  return [...services.finish().values()];
}

function destinations(
  visible: Visible,
  { virtualServices, listener }: Imported,
): readonly Service[] {
  const port = matchesPort(listener) ? listener.port?.number : undefined;
  const found: Service[] = [];
  for (const rule of virtualServices) {
    for (const [hostname, ports] of destinationsOf(rule.spec, visible.namespace)) {
      const whole = destination(visible, hostname);
      if (whole === undefined) continue;
      const wanted = port === undefined ? ports : new Set([port]);
      const service = wanted.size === 0 ? whole : withPorts(whole, wanted);
      if (service !== undefined) found.push(service);
    }
  }
  return found;
}

/** The caller's own namespace first, else the first by name that exports to it. */
function destination({ services, namespace }: Visible, hostname: string): Service | undefined {
  const found = servicesByHostname(services).get(hostname) ?? [];
  return found.find((service) => service.namespace === namespace) ?? found[0];
}

const byHostname = new WeakMap<readonly Service[], ReadonlyMap<string, readonly Service[]>>();

/** Of each hostname, by namespace. */
function servicesByHostname(services: readonly Service[]): ReadonlyMap<string, readonly Service[]> {
  return byHostname.getOrInsertComputed(services, () => {
    const found = new Map<string, Service[]>();
    for (const service of services)
      found.getOrInsertComputed(service.hostname, () => []).push(service);
    for (const list of found.values()) list.sort((a, b) => (a.namespace < b.namespace ? -1 : 1));
    return found;
  });
}

/** Hosts that a rule may send calls of this namespace to, each with its ports; no ports: any. */
function destinationsOf(
  { http = [], tls = [], tcp = [] }: VirtualServiceJson,
  from: string,
): ReadonlyMap<string, ReadonlySet<number>> {
  const found = new Map<string, Set<number> | undefined>();
  const add = (host: string | undefined, port: number | undefined): void => {
    if (!host) return;
    if (port === undefined) found.set(host, undefined);
    else if (!found.has(host)) found.set(host, new Set([port]));
    else found.get(host)?.add(port);
  };
  for (const route of [...http, ...tls, ...tcp]) {
    const sources = (route.match ?? []).map((match) => match.sourceNamespace);
    if (sources.length > 0 && !sources.some((source) => !source || source === from)) continue;
    for (const { destination: to } of route.route ?? []) add(to?.host, to?.port?.number);
    if ("mirror" in route) add(route.mirror?.host, route.mirror?.port?.number);
    if ("mirrors" in route) {
      for (const { destination: to } of route.mirrors ?? []) add(to?.host, to?.port?.number);
    }
  }
  return new Map([...found].map(([host, ports]) => [host, ports ?? new Set()]));
}
