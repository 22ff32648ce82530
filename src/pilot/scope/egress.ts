import type { IstioEgressListenerJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import type { VirtualServiceJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { Service } from "#model/service.ts";
import type { EgressView, Sidecar, VirtualService } from "../view.ts";
import { EgressHosts } from "./egress-hosts.ts";
import { importedServices, matchesPort, ServiceSet, withPorts } from "./services.ts";
import { isExported } from "./visibility.ts";

/** What a namespace may see of everything. */
export interface Visible {
  readonly namespace: string;
  /** In the order of `visibleServices`. */
  readonly services: readonly Service[];
  /** For `mesh`. */
  readonly virtualServices: readonly VirtualService[];
  /** Every service of a hostname, also in other namespaces. */
  byHostname(hostname: string): readonly Service[];
}

const everything: IstioEgressListenerJson = { hosts: ["*/*"] };

/** The listeners of a Sidecar, or the one that lets everything in; the one without a port last. */
export function egressViews(visible: Visible, sidecar: Sidecar | undefined): readonly EgressView[] {
  const written = sidecar?.spec.egress ?? [];
  if (written.length === 0) return [{ ...egressView(visible, everything), listener: undefined }];
  const views = written.map((listener) => egressView(visible, listener));
  const hasPort = ({ listener }: EgressView): boolean => listener?.port !== undefined;
  return [...views.filter(hasPort), ...views.filter((view) => !hasPort(view))];
}

function egressView(visible: Visible, listener: IstioEgressListenerJson): EgressView {
  const hosts = new EgressHosts(listener.hosts ?? [], visible.namespace);
  return {
    listener,
    services: importedServices(visible.services, visible.namespace, { hosts, listener }),
    virtualServices: visible.virtualServices.filter((rule) => hosts.importsRule(rule)),
  };
}

/** All services of all listeners, and those that their VirtualServices lead to without being imported by name. */
export function servicesOf(
  visible: Visible,
  egress: readonly EgressView[],
): ReadonlyMap<string, Service> {
  const services = new ServiceSet();
  for (const view of egress) {
    for (const service of view.services) services.add(service);
    // Without a Sidecar everything that may be seen is already in.
    if (view.listener === undefined) continue;
    for (const service of destinations(visible, view, view.listener)) services.add(service);
  }
  return services.finish();
}

function destinations(
  visible: Visible,
  { virtualServices }: EgressView,
  listener: IstioEgressListenerJson,
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
function destination({ byHostname, namespace }: Visible, hostname: string): Service | undefined {
  const services = byHostname(hostname);
  const own = services.find((service) => service.namespace === namespace);
  if (own !== undefined) return own;
  return services
    .filter((service) =>
      isExported(service.exportTo, { namespace: service.namespace, from: namespace }),
    )
    .sort((a, b) => (a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : 0))[0];
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
