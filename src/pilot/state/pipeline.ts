import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { byAge, type ConfigObject } from "#model/object.ts";
import type { Endpoint, Service } from "#model/service.ts";
import type { Collection, Computed } from "../collections/collection.ts";
import { Graph, type Source } from "../collections/graph.ts";
import { objectRegistries } from "../registries/list.ts";
import {
  byKey,
  nameKey,
  type RegisteredEndpoints,
  type RegisteredService,
  type RegistryInputs,
  serviceKey,
} from "../registries/registry.ts";
import { indexWorkloads } from "../registries/workload-index.ts";
import { delegates, isDelegate, mergeDelegates } from "../scope/delegates.ts";
import {
  isPrivate,
  type PreparedRule,
  prepareDestinationRule,
  RuleTable,
} from "../scope/destination-rules.ts";
import type { Gateway } from "../scope/gateways.ts";
import {
  labelKeysOfDestinationRule,
  labelKeysOfLocality,
  labelKeysOfService,
  labelKeysOfSidecar,
  labelKeysOfVirtualService,
} from "../scope/label-keys.ts";
import { withFullNames, withProvenance } from "../scope/virtual-services.ts";
import type { Sidecar, VirtualService } from "../view.ts";
import { type KindName, kindNames, type Specs } from "./kinds.ts";

export interface PipelineOptions {
  readonly domain: string;
  readonly clusterId: string;
}

/** Endpoints of a service, of all registries. */
export interface ServiceEndpoints {
  readonly key: string;
  readonly hostname: string;
  readonly endpoints: readonly Endpoint[];
}

/** Everything under one key. */
export const all = "";

/** From objects to what scopes are made of, as collections: a change of one object computes again only what read it. */
export class Pipeline {
  readonly graph: Graph = new Graph();
  readonly mesh: Source<MeshConfigJson>;
  /** What registries say that are not made of objects. */
  readonly registered: Source<RegisteredService & { readonly endpoints: readonly Endpoint[] }>;
  /** Endpoints that are looked up, of services that others register. */
  readonly foundEndpoints: Source<RegisteredEndpoints>;
  readonly services: Collection<RegisteredService>;
  /** The oldest first, under `all`; and by hostname. */
  readonly serviceLists: Collection<readonly RegisteredService[]>;
  readonly registeredEndpoints: Collection<RegisteredEndpoints>;
  /** By address: registered endpoints that have it, each under `namespace/address`. */
  readonly served: Collection<readonly RegisteredEndpoints[]>;
  readonly endpoints: Collection<ServiceEndpoints>;
  /** The oldest first, under `all`. */
  readonly virtualServices: Collection<readonly VirtualService[]>;
  /** Under `local/`, `exported/` and `private/` and the namespace. */
  readonly ruleTables: Collection<{ readonly key: string; readonly table: RuleTable }>;
  readonly gateways: Collection<readonly Gateway[]>;
  /** By namespace. */
  readonly sidecars: Collection<readonly Sidecar[]>;
  readonly labelKeys: Computed<ReadonlySet<string>>;
  readonly #objects: ReadonlyMap<KindName, Source<ConfigObject>>;
  readonly domain: string;
  readonly #options: PipelineOptions;
  readonly #mesh: Computed<MeshConfigJson>;

  constructor(options: PipelineOptions) {
    const { graph } = this;
    this.#options = options;
    this.domain = options.domain;
    this.#objects = new Map(kindNames.map((kind) => [kind, graph.source<ConfigObject>(kind)]));
    this.mesh = graph.source("MeshConfig");
    this.registered = graph.source("registered");
    this.foundEndpoints = graph.source("found endpoints");
    this.#mesh = graph.compute(
      "mesh",
      (fetch): MeshConfigJson => fetch.get(this.mesh.collection, all) ?? {},
    );
    const { services, endpoints } = this.#registries();
    this.services = services;
    this.serviceLists = this.#listServices();
    this.registeredEndpoints = endpoints;
    this.served = this.#indexAddresses();
    this.endpoints = this.#joinEndpoints();
    const rules = this.#mergedVirtualServices();
    this.virtualServices = this.#inOrder("VirtualServices", rules);
    this.ruleTables = this.#destinationRules();
    this.gateways = this.#inOrder("Gateways", this.objects("Gateway"));
    const sidecars = this.objects("Sidecar");
    this.sidecars = graph.group<Sidecar>({
      name: "Sidecars by namespace",
      from: sidecars,
      keysOf: ({ metadata }) => [metadata.namespace],
      compare: byAge,
    });
    this.labelKeys = this.#labelKeys(rules);
  }

  /** To be written to. */
  source(kind: KindName): Source<ConfigObject> {
    const source = this.#objects.get(kind);
    if (source === undefined) throw new Error(`no source of ${kind}`);
    return source;
  }

  objects<K extends KindName>(kind: K): Collection<ConfigObject<Specs[K]>> {
    // Only objects of the kind are put into it, and those were read by the kind's own reader.
    return this.source(kind).collection as Collection<ConfigObject<Specs[K]>>;
  }

  #registries(): {
    readonly services: Collection<RegisteredService>;
    readonly endpoints: Collection<RegisteredEndpoints>;
  } {
    const { graph } = this;
    const objects: RegistryInputs["objects"] = (kind) => this.objects(kind);
    const workloads = indexWorkloads(graph, { objects, clusterId: this.#options.clusterId });
    const mesh = this.#mesh;
    const defaultServiceExportTo = graph.compute(
      "default exportTo of services",
      (fetch): readonly string[] => fetch.value(mesh).defaultServiceExportTo ?? [],
    );
    const inputs = { ...this.#options, objects, workloads, mesh, defaultServiceExportTo };
    const built = objectRegistries.map((registry) => registry.build(graph, inputs));
    const { collection: registered } = this.registered;
    const others = graph.derive<
      RegisteredService & { readonly endpoints: readonly Endpoint[] },
      RegisteredService
    >({
      name: "other services",
      from: registered,
      keyOf: ({ key }) => key,
      transform: ({ key, service }) => [{ key, service }],
    });
    const othersEndpoints = graph.derive<
      RegisteredService & { readonly endpoints: readonly Endpoint[] },
      RegisteredEndpoints
    >({
      name: "other endpoints",
      from: registered,
      keyOf: ({ key }) => key,
      transform: ({ key, service: { hostname, namespace }, endpoints: list }) => [
        { key, hostname, namespace, endpoints: list },
      ],
    });
    const services = built.map((registry) => registry.services);
    const endpoints = built.map((registry) => registry.endpoints);
    return {
      services: graph.union("services", [...services, others]),
      endpoints: graph.union("endpoints of registries", [
        ...endpoints,
        othersEndpoints,
        this.foundEndpoints.collection,
      ]),
    };
  }

  #listServices(): Collection<readonly RegisteredService[]> {
    return this.graph.group<RegisteredService>({
      name: "services in order",
      from: this.services,
      keysOf: () => [all],
      compare: byServiceAge,
    });
  }

  #indexAddresses(): Collection<readonly RegisteredEndpoints[]> {
    return this.graph.group<RegisteredEndpoints>({
      name: "services by address",
      from: this.registeredEndpoints,
      keysOf: ({ endpoints }) => [
        ...new Set(endpoints.map(({ namespace, address }) => `${namespace}/${address}`)),
      ],
      compare: byKey,
    });
  }

  #joinEndpoints(): Collection<ServiceEndpoints> {
    const grouped = this.graph.group<RegisteredEndpoints>({
      name: "endpoints by service",
      from: this.registeredEndpoints,
      keysOf: (registered) => [serviceKey(registered)],
      compare: byKey,
    });
    return this.graph.derive<readonly RegisteredEndpoints[], ServiceEndpoints>({
      name: "endpoints",
      from: grouped,
      keyOf: ({ key }) => key,
      transform: (parts, _, key) => [
        {
          key,
          hostname: parts[0]?.hostname ?? "",
          endpoints:
            parts.length === 1
              ? (parts[0]?.endpoints ?? [])
              : parts.flatMap((part) => part.endpoints),
        },
      ],
    });
  }

  #mergedVirtualServices(): Collection<VirtualService> {
    const { domain } = this.#options;
    const resolved = this.graph.derive<VirtualService, VirtualService>({
      name: "VirtualServices with full names",
      from: this.objects("VirtualService"),
      keyOf: nameKey,
      transform: (written) => [withProvenance(withFullNames(written, domain), written)],
    });
    return this.graph.derive<VirtualService, VirtualService>({
      name: "VirtualServices with delegates",
      from: resolved,
      keyOf: nameKey,
      transform: (rule, fetch) => {
        if (isDelegate(rule)) return [];
        if (!delegates(rule)) return [rule];
        const find = (namespace: string, name: string): VirtualService | undefined => {
          const found = fetch.get(resolved, `${namespace}/${name}`);
          return found !== undefined && isDelegate(found) ? found : undefined;
        };
        const defaultExportTo = fetch.value(this.#mesh).defaultVirtualServiceExportTo ?? [];
        return [mergeDelegates(rule, { find, defaultExportTo })];
      },
    });
  }

  #destinationRules(): Collection<{ readonly key: string; readonly table: RuleTable }> {
    const { graph } = this;
    const { domain } = this.#options;
    const defaultExportTo = graph.compute(
      "default exportTo of DestinationRules",
      (fetch): readonly string[] => fetch.value(this.#mesh).defaultDestinationRuleExportTo ?? [],
    );
    const prepared = graph.derive({
      name: "prepared DestinationRules",
      from: this.objects("DestinationRule"),
      keyOf: ({ rule }: PreparedRule) => nameKey(rule),
      transform: (written, fetch) => [
        prepareDestinationRule(written, { domain, defaultExportTo: fetch.value(defaultExportTo) }),
      ],
    });
    const grouped = graph.group<PreparedRule>({
      name: "DestinationRules by namespace",
      from: prepared,
      keysOf: (rule) => {
        const { namespace } = rule.rule.metadata;
        return [`local/${namespace}`, `${isPrivate(rule) ? "private" : "exported"}/${namespace}`];
      },
      compare: (a, b) => byAge(a.rule, b.rule),
    });
    return graph.derive<readonly PreparedRule[], { key: string; table: RuleTable }>({
      name: "tables of DestinationRules",
      from: grouped,
      keyOf: ({ key }) => key,
      transform: (rules, _, key) => [{ key, table: new RuleTable(rules) }],
    });
  }

  #inOrder<T extends ConfigObject>(name: string, from: Collection<T>): Collection<readonly T[]> {
    return this.graph.group<T>({ name, from, keysOf: () => [all], compare: byAge });
  }

  #labelKeys(rules: Collection<VirtualService>): Computed<ReadonlySet<string>> {
    const { graph } = this;
    interface Used {
      readonly key: string;
      readonly labels: readonly string[];
    }
    const used = <T>(
      from: Collection<T>,
      labelsOf: (object: T) => readonly string[],
    ): Collection<Used> =>
      graph.derive<T, Used>({
        name: `labels of callers in ${from.name}`,
        from,
        keyOf: ({ key }) => key,
        transform: (object, _, key) => {
          const labels = labelsOf(object);
          return labels.length === 0 ? [] : [{ key: `${from.name}: ${key}`, labels }];
        },
      });
    const union = graph.union("labels of callers", [
      used(rules, labelKeysOfVirtualService),
      used(this.objects("DestinationRule"), labelKeysOfDestinationRule),
      used(this.objects("Sidecar"), labelKeysOfSidecar),
      used(this.services, ({ service }) => labelKeysOfService(service)),
      used(this.mesh.collection, ({ localityLbSetting }) =>
        labelKeysOfLocality(localityLbSetting ?? {}),
      ),
    ]);
    return graph.compute(
      "label keys",
      (fetch): ReadonlySet<string> => new Set(fetch.list(union).flatMap(({ labels }) => labels)),
    );
  }
}

/** Istio's order of services: the older first, then by name and namespace; then by whatever keeps it one order. */
function byServiceAge(a: RegisteredService, b: RegisteredService): number {
  const [left, right] = [a.service, b.service];
  return left.creationMs - right.creationMs || byText(orderOf(left), orderOf(right)) || byKey(a, b);
}

const orderOf = ({ name, namespace, hostname }: Service): string =>
  `${name}.${namespace} ${hostname}`;

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
