import type { IstioEgressListenerJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import { protocolOf } from "#model/protocol.ts";
import type { Service } from "#model/service.ts";
import { kubernetesRegistry } from "../registries/kubernetes/service.ts";
import type { EgressHosts } from "./egress-hosts.ts";

/**
 * What an egress listener lets in. Of several namespaces that have the same hostname one is chosen: the caller's own, else one with a
 * Kubernetes Service, else the first.
 */
export function importedServices(
  visible: readonly Service[],
  namespace: string,
  { hosts, listener }: { readonly hosts: EgressHosts; readonly listener: IstioEgressListenerJson },
): readonly Service[] {
  const imported: Service[] = [];
  for (const service of visible) {
    if (!hosts.imports(service)) continue;
    const matched = ofListenerPort(service, listener);
    if (matched !== undefined) imported.push(matched);
  }
  const services = new ServiceSet();
  for (const service of oneNamespaceEach(imported, namespace)) services.add(service);
  return [...services.finish().values()];
}

function oneNamespaceEach(services: readonly Service[], namespace: string): readonly Service[] {
  const chosen = new Map<string, Service>();
  let several = false;
  for (const service of services) {
    const known = chosen.get(service.hostname);
    if (known === undefined) {
      chosen.set(service.hostname, service);
      continue;
    }
    several = true;
    const own = service.namespace === namespace;
    const moreCertain =
      service.registry === kubernetesRegistry &&
      known.registry !== kubernetesRegistry &&
      known.namespace !== namespace;
    if (own || moreCertain) chosen.set(service.hostname, service);
  }
  if (!several) return services;
  return services.filter(({ hostname, namespace: of }) => chosen.get(hostname)?.namespace === of);
}

/** Listeners with a port take of each service that port only; except Istio's proxies for any HTTP. */
export function matchesPort({ port }: IstioEgressListenerJson): boolean {
  return (port?.number ?? 0) !== 0 && protocolOf(port?.protocol) !== "HTTP_PROXY";
}

function ofListenerPort(service: Service, listener: IstioEgressListenerJson): Service | undefined {
  if (!matchesPort(listener)) return service;
  return withPorts(service, new Set([listener.port?.number ?? 0]));
}

/** The service with these of its ports; undefined when it has none of them. The same object for the same ports. */
export function withPorts(service: Service, numbers: ReadonlySet<number>): Service | undefined {
  const ports = service.ports.filter(({ number }) => numbers.has(number));
  if (ports.length === 0) return undefined;
  if (ports.length === service.ports.length) return service;
  const key = ports.map(({ number }) => number).join();
  return withFewerPorts
    .getOrInsertComputed(service, () => new Map<string, Service>())
    .getOrInsertComputed(key, () => ({ ...service, ports }));
}

const withFewerPorts = new WeakMap<Service, Map<string, Service>>();

/** One service for each hostname, in the order of arrival. */
export class ServiceSet {
  readonly #services: Map<string, Service> = new Map();

  add(service: Service): void {
    const known = this.#services.get(service.hostname);
    if (known === undefined) this.#services.set(service.hostname, service);
    else if (known !== service) this.#services.set(service.hostname, unite(known, service));
  }

  finish(): ReadonlyMap<string, Service> {
    return this.#services;
  }
}

/** What two services made together: the same two make the same one. */
const united = new WeakMap<Service, WeakMap<Service, Service>>();

function unite(known: Service, service: Service): Service {
  return united
    .getOrInsertComputed(known, () => new WeakMap<Service, Service>())
    .getOrInsertComputed(service, () => uniteTwo(known, service));
}

/** A Kubernetes Service goes before any other's, and takes of a ServiceEntry of its namespace only what its certificates must carry. */
function uniteTwo(known: Service, service: Service): Service {
  if (known.registry === kubernetesRegistry) {
    const sameObject = known.object !== undefined && known.object === service.object;
    return sameObject ? withMorePorts(known, service) : withNames(known, service);
  }
  if (service.registry === kubernetesRegistry) return withNames(service, known);
  return mayMerge(known, service) ? withMorePorts(known, service) : known;
}

function withNames(service: Service, entry: Service): Service {
  const names = entry.subjectAltNames;
  const own = entry.namespace === service.namespace && entry.registry !== service.registry;
  if (!own || names.length === 0) return service;
  return {
    ...service,
    subjectAltNames: [...new Set([...service.subjectAltNames, ...names])],
  };
}

function withMorePorts(known: Service, service: Service): Service {
  const numbers = new Set(known.ports.map(({ number }) => number));
  const more = service.ports.filter(({ number }) => !numbers.has(number));
  return more.length === 0 ? known : { ...known, ports: [...known.ports, ...more] };
}

function mayMerge(a: Service, b: Service): boolean {
  return (
    a.namespace === b.namespace &&
    a.resolution === b.resolution &&
    a.registry === b.registry &&
    sameEntries(a.labels, b.labels) &&
    sameEntries(a.selector ?? {}, b.selector ?? {}) &&
    a.exportTo.length === b.exportTo.length &&
    a.exportTo.every((target) => b.exportTo.includes(target))
  );
}

function sameEntries(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
