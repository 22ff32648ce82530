import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { withMeshDefaults } from "#model/mesh-config.ts";
import { byAge, type ConfigObject } from "#model/object.ts";
import type { Endpoint, Service } from "#model/service.ts";
import { endpointsOf } from "../registries/kubernetes/endpoints.ts";
import { workloadOfPod } from "../registries/kubernetes/pod.ts";
import { serviceOf } from "../registries/kubernetes/service.ts";
import { allocateAddresses } from "../registries/service-entry/auto-address.ts";
import {
  endpointsOfEntry,
  servicesOfEntry,
  wantsAutoAddress,
} from "../registries/service-entry/service-entry.ts";
import { workloadOfEntry } from "../registries/service-entry/workload-entry.ts";
import type { Workload } from "../registries/workload.ts";
import { delegates, isDelegate, mergeDelegates } from "../scope/delegates.ts";
import { type DestinationRuleIndex, indexDestinationRules } from "../scope/destination-rules.ts";
import type { Gateway } from "../scope/gateways.ts";
import { labelKeysOf } from "../scope/label-keys.ts";
import { withFullNames, withProvenance } from "../scope/virtual-services.ts";
import type { Sidecar, VirtualService } from "../view.ts";
import { asKind, type KindName, type Specs } from "./kinds.ts";

export interface MeshStateOptions {
  readonly objects: readonly ConfigObject[];
  readonly meshConfig?: MeshConfigJson | undefined;
  /** Of services' names; `cluster.local` when absent. */
  readonly domain?: string | undefined;
  /** Of Pods that say nothing themselves; `Kubernetes` when absent. */
  readonly clusterId?: string | undefined;
}

/** Everything that is configured and registered, worked out as far as it concerns all proxies alike. Immutable. */
export interface MeshState {
  readonly mesh: MeshConfigJson;
  readonly domain: string;
  /** The oldest first; a hostname may be there for several namespaces. */
  readonly services: readonly Service[];
  byHostname(hostname: string): readonly Service[];
  /** By the service's hostname and namespace. */
  endpoints(service: Service): readonly Endpoint[];
  /** Names in full, delegates merged in, no delegate by itself; the oldest first. */
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: DestinationRuleIndex;
  readonly gateways: readonly Gateway[];
  /** Of a namespace, the oldest first. */
  sidecars(namespace: string): readonly Sidecar[];
  /** Labels of proxies that some rule looks at. */
  readonly labelKeys: ReadonlySet<string>;
  /** Services of the namespace's workloads that have the address, each with the endpoint. */
  servedAt(namespace: string, address: string): readonly Served[];
  /** A Kubernetes Secret's data, decoded. */
  secret(namespace: string, name: string): Readonly<Record<string, Uint8Array>> | undefined;
}

export interface Served {
  readonly service: Service;
  readonly endpoint: Endpoint;
}

export function meshState(options: MeshStateOptions): MeshState {
  return new Snapshot(options);
}

class Snapshot implements MeshState {
  readonly mesh: MeshConfigJson;
  readonly domain: string;
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: DestinationRuleIndex;
  readonly gateways: readonly Gateway[];
  readonly labelKeys: ReadonlySet<string>;
  readonly #objects: readonly ConfigObject[];
  readonly #clusterId: string;
  readonly #workloads: ReadonlyMap<string, readonly Workload[]>;
  readonly #byHostname: ReadonlyMap<string, readonly Service[]>;
  readonly #endpoints: Map<string, Endpoint[]> = new Map();
  readonly #served: Map<string, Served[]> = new Map();
  readonly #sidecars: ReadonlyMap<string, readonly Sidecar[]>;

  constructor({ objects, meshConfig, domain, clusterId }: MeshStateOptions) {
    this.#objects = [...objects].sort(byAge);
    this.#clusterId = clusterId ?? "Kubernetes";
    this.mesh = withMeshDefaults(meshConfig ?? {});
    this.domain = domain ?? "cluster.local";
    this.#workloads = groupBy(this.#allWorkloads(), ({ namespace }) => namespace);
    this.services = this.#allServices();
    this.#byHostname = groupBy(this.services, ({ hostname }) => hostname);
    this.#sidecars = groupBy(this.#of("Sidecar"), ({ metadata }) => metadata.namespace);
    this.virtualServices = this.#mergedVirtualServices();
    const destinationRules = this.#of("DestinationRule");
    this.destinationRules = indexDestinationRules(destinationRules, {
      domain: this.domain,
      rootNamespace: this.mesh.rootNamespace ?? "",
      defaultExportTo: this.mesh.defaultDestinationRuleExportTo ?? [],
    });
    this.gateways = this.#of("Gateway");
    const sidecars = this.#of("Sidecar");
    const { virtualServices } = this;
    this.labelKeys = labelKeysOf({ virtualServices, destinationRules, sidecars });
  }

  byHostname(hostname: string): readonly Service[] {
    return this.#byHostname.get(hostname) ?? [];
  }

  endpoints({ namespace, hostname }: Service): readonly Endpoint[] {
    return this.#endpoints.get(`${namespace}/${hostname}`) ?? [];
  }

  sidecars(namespace: string): readonly Sidecar[] {
    return this.#sidecars.get(namespace) ?? [];
  }

  servedAt(namespace: string, address: string): readonly Served[] {
    return this.#served.get(`${namespace}/${address}`) ?? [];
  }

  secret(namespace: string, name: string): Readonly<Record<string, Uint8Array>> | undefined {
    const found = this.#of("Secret").find(
      ({ metadata }) => metadata.namespace === namespace && metadata.name === name,
    );
    if (found === undefined) return undefined;
    const { data = {}, stringData = {} } = found.spec;
    return Object.fromEntries([
      ...Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "base64")] as const),
      ...Object.entries(stringData).map(([key, text]) => [key, Buffer.from(text)] as const),
    ]);
  }

  #of<K extends KindName>(kind: K): readonly ConfigObject<Specs[K]>[] {
    return this.#objects
      .map((object) => asKind(kind, object))
      .filter((object) => object !== undefined);
  }

  #labelsOf(kind: "Node" | "Namespace", name: string): Readonly<Record<string, string>> {
    return this.#of(kind).find(({ metadata }) => metadata.name === name)?.metadata.labels ?? {};
  }

  #allWorkloads(): readonly Workload[] {
    const pods = this.#of("Pod").map((pod) =>
      workloadOfPod(pod, {
        nodeLabels: this.#labelsOf("Node", pod.spec.nodeName ?? ""),
        namespaceLabels: this.#labelsOf("Namespace", pod.metadata.namespace),
        clusterId: this.#clusterId,
      }),
    );
    return [
      ...pods.filter((pod) => pod !== undefined),
      ...this.#of("WorkloadEntry").map(workloadOfEntry),
    ];
  }

  #allServices(): readonly Service[] {
    const defaultExportTo = this.mesh.defaultServiceExportTo ?? [];
    const services: Service[] = [];
    for (const object of this.#of("Service")) {
      const service = serviceOf(object, { domain: this.domain, defaultExportTo });
      services.push(service);
      const sources = this.#sourcesOf(object.metadata);
      this.#serve(service, endpointsOf(service, object.spec, sources));
    }
    const external = this.#of("ServiceEntry").flatMap((object) =>
      servicesOfEntry(object, defaultExportTo).map((service) => ({ object, service })),
    );
    const keys = external
      .filter(({ service }) => wantsAutoAddress(service))
      .map(({ service }) => `${service.namespace}/${service.hostname}`);
    const addresses = allocateAddresses([...new Set(keys)]);
    for (const { object, service: plain } of external) {
      const autoAddress = wantsAutoAddress(plain)
        ? addresses.get(`${plain.namespace}/${plain.hostname}`)
        : undefined;
      const service = autoAddress === undefined ? plain : { ...plain, autoAddress };
      services.push(service);
      const workloads = this.#workloads.get(service.namespace) ?? [];
      this.#serve(service, endpointsOfEntry(object, service, workloads));
    }
    return services.sort(
      (a, b) =>
        a.creationMs - b.creationMs ||
        compare(a.hostname, b.hostname) ||
        compare(a.namespace, b.namespace),
    );
  }

  #sourcesOf({ name, namespace }: ConfigObject["metadata"]): Parameters<typeof endpointsOf>[2] {
    const workloads = this.#workloads.get(namespace) ?? [];
    const pods = workloads.filter(({ kind }) => kind === "Pod");
    return {
      slices: this.#of("EndpointSlice").filter(
        ({ metadata }) =>
          metadata.namespace === namespace &&
          metadata.labels["kubernetes.io/service-name"] === name,
      ),
      endpoints: this.#of("Endpoints").find(
        ({ metadata }) => metadata.namespace === namespace && metadata.name === name,
      ),
      workloads,
      pod: (podName, address) =>
        pods.find((pod) =>
          podName === undefined ? pod.address === address : pod.name === podName,
        ),
      nodeLabels: (node) => this.#labelsOf("Node", node),
      network: this.#labelsOf("Namespace", namespace)["topology.istio.io/network"] ?? "",
      clusterId: this.#clusterId,
    };
  }

  #serve(service: Service, endpoints: readonly Endpoint[]): void {
    append(this.#endpoints, `${service.namespace}/${service.hostname}`, ...endpoints);
    for (const endpoint of endpoints) {
      append(this.#served, `${endpoint.namespace}/${endpoint.address}`, { service, endpoint });
    }
  }

  #mergedVirtualServices(): readonly VirtualService[] {
    const all = this.#of("VirtualService").map((written) =>
      withProvenance(withFullNames(written, this.domain), written),
    );
    const lookup = {
      find: (namespace: string, name: string) =>
        all.find(
          (rule) =>
            isDelegate(rule) &&
            rule.metadata.namespace === namespace &&
            rule.metadata.name === name,
        ),
      defaultExportTo: this.mesh.defaultVirtualServiceExportTo ?? [],
    };
    return all
      .filter((rule) => !isDelegate(rule))
      .map((rule) => (delegates(rule) ? mergeDelegates(rule, lookup) : rule));
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function append<T>(map: Map<string, T[]>, key: string, ...values: readonly T[]): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [...values]);
  else list.push(...values);
}

function groupBy<T>(
  values: readonly T[],
  keyOf: (value: T) => string,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) append(groups, keyOf(value), value);
  return groups;
}
