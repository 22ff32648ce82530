import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { withMeshDefaults } from "#model/mesh-config.ts";
import type { ConfigObject } from "#model/object.ts";
import type { Endpoint, Service } from "#model/service.ts";
import type { SecretBody } from "../registries/kubernetes/objects.ts";
import {
  nameKey,
  type RegisteredEndpoints,
  type RegisteredService,
} from "../registries/registry.ts";
import type { DestinationRules, RuleTable } from "../scope/destination-rules.ts";
import type { Gateway, GatewayPlaces, MergedGateways } from "../scope/gateways.ts";
import type { EndpointTable, Scope, ScopeFor } from "../scope/scope.ts";
import { type ScopeSources, Scopes } from "../scope/scopes.ts";
import type { Sidecar, VirtualService } from "../view.ts";
import { kindOf } from "./kinds.ts";
import { all, Pipeline } from "./pipeline.ts";

export interface MeshStateOptions {
  readonly objects: readonly ConfigObject[];
  /** Istio's defaults are filled in. */
  readonly meshConfig?: MeshConfigJson | undefined;
  /** Of services' names; `cluster.local` when absent. */
  readonly domain?: string | undefined;
  /** Of Pods that say nothing themselves; `Kubernetes` when absent. */
  readonly clusterId?: string | undefined;
}

export const defaultDomain = "cluster.local";
export const defaultClusterId = "Kubernetes";

/** Everything that is configured and registered, as it is at one moment. Immutable. */
export function meshState({ objects, meshConfig, domain, clusterId }: MeshStateOptions): MeshState {
  const pipeline = new Pipeline({
    domain: domain ?? defaultDomain,
    clusterId: clusterId ?? defaultClusterId,
  });
  pipeline.graph.transact(() => {
    pipeline.mesh.set(all, withMeshDefaults(meshConfig ?? {}));
    for (const object of objects) {
      const kind = kindOf(object);
      if (kind !== undefined) pipeline.source(kind).set(nameKey(object), object);
    }
  });
  return new MeshState(pipeline, new Scopes());
}

/** A service of the proxy's own workload. */
export interface Served {
  readonly service: Service;
  readonly endpoint: Endpoint;
}

/** A moment of a pipeline. */
export class MeshState implements ScopeSources {
  readonly mesh: MeshConfigJson;
  readonly domain: string;
  /** The oldest first; a hostname may be there for several namespaces. */
  readonly services: readonly Service[];
  /** Names in full, delegates merged in, no delegate by itself; the oldest first. */
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: DestinationRules;
  /** The oldest first. */
  readonly gateways: readonly Gateway[];
  /** Labels of proxies that some rule looks at. */
  readonly labelKeys: ReadonlySet<string>;
  readonly endpointTable: EndpointTable;
  readonly #sidecars: ReadonlyMap<string, readonly Sidecar[]>;
  readonly #registered: ReadonlyMap<string, RegisteredService>;
  readonly #served: ReadonlyMap<string, readonly RegisteredEndpoints[]>;
  readonly #secrets: ReadonlyMap<string, ConfigObject<SecretBody>>;
  readonly #scopes: Scopes;
  /** Of this state, by who they are for. */
  readonly #own: Map<string, Scope> = new Map();

  constructor(pipeline: Pipeline, scopes: Scopes) {
    this.mesh = pipeline.mesh.collection.get(all) ?? {};
    this.domain = pipeline.domain;
    this.services = servicesOf(pipeline.serviceLists.get(all) ?? []);
    this.virtualServices = pipeline.virtualServices.get(all) ?? [];
    const rootNamespace = this.mesh.rootNamespace ?? "";
    this.destinationRules = new Tables(pipeline.ruleTables.snapshot(), rootNamespace);
    this.gateways = pipeline.gateways.get(all) ?? [];
    this.labelKeys = pipeline.labelKeys.get();
    this.endpointTable = pipeline.endpoints.snapshot();
    this.#sidecars = pipeline.sidecars.snapshot();
    this.#registered = pipeline.services.snapshot();
    this.#served = pipeline.served.snapshot();
    this.#secrets = pipeline.objects("Secret").snapshot();
    this.#scopes = scopes;
  }

  sidecars(namespace: string): readonly Sidecar[] {
    return this.#sidecars.get(namespace) ?? [];
  }

  /** Services of the namespace's workloads that have the address, each with the endpoint; the oldest first. */
  servedAt(namespace: string, address: string): readonly Served[] {
    const served: Served[] = [];
    for (const { key, endpoints } of this.#served.get(`${namespace}/${address}`) ?? []) {
      const service = this.#registered.get(key)?.service;
      if (service === undefined) continue;
      for (const endpoint of endpoints) {
        const own = endpoint.address === address && endpoint.namespace === namespace;
        if (own) served.push({ service, endpoint });
      }
    }
    return served.sort((a, b) => a.service.creationMs - b.service.creationMs);
  }

  /** A Kubernetes Secret's data, decoded. */
  secret(namespace: string, name: string): Readonly<Record<string, Uint8Array>> | undefined {
    const object = this.#secrets.get(`${namespace}/${name}`);
    return object === undefined ? undefined : dataOf(object);
  }

  /** What Gateways ask of a gateway proxy with these labels. */
  mergedGateways(labels: Readonly<Record<string, string>>, places: GatewayPlaces): MergedGateways {
    return this.#scopes.gateways.merged(this.gateways, labels, places);
  }

  scope(who: ScopeFor): Scope {
    const key = JSON.stringify(who);
    return this.#own.getOrInsertComputed(key, () => this.#scopes.scope(key, who, this));
  }
}

class Tables implements DestinationRules {
  readonly rootNamespace: string;
  readonly #tables: ReadonlyMap<string, { readonly table: RuleTable }>;

  constructor(tables: ReadonlyMap<string, { readonly table: RuleTable }>, rootNamespace: string) {
    this.#tables = tables;
    this.rootNamespace = rootNamespace;
  }

  local(namespace: string): RuleTable | undefined {
    return this.#tables.get(`local/${namespace}`)?.table;
  }

  exported(namespace: string): RuleTable | undefined {
    return this.#tables.get(`exported/${namespace}`)?.table;
  }

  private(namespace: string): RuleTable | undefined {
    return this.#tables.get(`private/${namespace}`)?.table;
  }
}

const services = new WeakMap<readonly RegisteredService[], readonly Service[]>();

/** The same list for the same list. */
const servicesOf = (registered: readonly RegisteredService[]): readonly Service[] =>
  services.getOrInsertComputed(registered, () => registered.map(({ service }) => service));

const decoded = new WeakMap<ConfigObject<SecretBody>, Readonly<Record<string, Uint8Array>>>();

function dataOf(object: ConfigObject<SecretBody>): Readonly<Record<string, Uint8Array>> {
  return decoded.getOrInsertComputed(object, ({ spec: { data = {}, stringData = {} } }) =>
    Object.fromEntries([
      ...Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "base64")] as const),
      ...Object.entries(stringData).map(([key, text]) => [key, Buffer.from(text)] as const),
    ]),
  );
}
