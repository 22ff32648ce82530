import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { localPortsOf } from "#model/local-ports.ts";
import type { ProxyNode } from "#model/node.ts";
import type { Endpoint, Service } from "#model/service.ts";
import { serviceKey } from "../registries/registry.ts";
import type {
  DestinationRule,
  EgressView,
  OutboundScope,
  Sidecar,
  VirtualService,
} from "../view.ts";
import { meshGateway } from "../view.ts";
import { type DestinationRules, selectDestinationRule } from "./destination-rules.ts";
import { nodeNameLabel } from "./label-keys.ts";

/** Of a proxy what its scope depends on. */
export type ScopeFor = Pick<
  OutboundScope,
  | "type"
  | "namespace"
  | "labels"
  | "locality"
  | "clusterId"
  | "network"
  | "interceptionMode"
  | "dnsCapture"
  | "explicitProxy"
>;

/** What a proxy's scope depends on; `labelKeys`: those that some rule looks at. */
export function scopeFor(node: ProxyNode, labelKeys: ReadonlySet<string>): ScopeFor {
  const { type, namespace, locality, clusterId, network, interceptionMode, dnsCapture } = node;
  const labels = Object.fromEntries(
    Object.entries({ ...machineOf(node), ...node.labels })
      .filter(([key]) => labelKeys.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const explicitProxy =
    interceptionMode === "NONE" && localPortsOf(node.metadata)?.httpProxy !== undefined;
  return {
    ...{ type, namespace, labels, locality, clusterId, network, interceptionMode, dnsCapture },
    explicitProxy,
  };
}

/** `NODE_NAME`: the machine that a pod runs on. */
function machineOf({ metadata }: ProxyNode): Readonly<Record<string, string>> {
  const name = metadata["NODE_NAME"];
  return typeof name === "string" && name !== "" ? { [nodeNameLabel]: name } : {};
}

/** What a scope is made of. */
export interface ScopeParts {
  readonly mesh: MeshConfigJson;
  readonly domain: string;
  readonly services: readonly Service[];
  readonly egress: readonly EgressView[];
  readonly sidecar: Sidecar | undefined;
  readonly destinationRules: DestinationRules;
  /** Those that may concern the proxy, in order. */
  readonly virtualServices: readonly VirtualService[];
}

/** Endpoints by `namespace/hostname`. */
export type EndpointTable = ReadonlyMap<string, { readonly endpoints: readonly Endpoint[] }>;

const noEndpoints: readonly Endpoint[] = [];

/** The scope, and a new one with other endpoints that shares everything else. */
export class Scope implements OutboundScope {
  readonly key: object;
  readonly type: ScopeFor["type"];
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality: ScopeFor["locality"];
  readonly clusterId: string;
  readonly network: string;
  readonly interceptionMode: ScopeFor["interceptionMode"];
  readonly dnsCapture: boolean;
  readonly explicitProxy: boolean;
  readonly mesh: MeshConfigJson;
  readonly domain: string;
  readonly services: readonly Service[];
  readonly sidecar: Sidecar | undefined;
  readonly egress: readonly EgressView[];
  readonly parts: ScopeParts;
  readonly #who: ScopeFor;
  readonly #endpoints: EndpointTable;
  readonly #memo: Memo;

  constructor(who: ScopeFor, parts: ScopeParts, endpoints: EndpointTable, memo?: Memo) {
    this.#memo = memo ?? new Memo(parts.services);
    this.key = this.#memo;
    this.type = who.type;
    this.namespace = who.namespace;
    this.labels = who.labels;
    this.locality = who.locality;
    this.clusterId = who.clusterId;
    this.network = who.network;
    this.interceptionMode = who.interceptionMode;
    this.dnsCapture = who.dnsCapture;
    this.explicitProxy = who.explicitProxy;
    this.mesh = parts.mesh;
    this.domain = parts.domain;
    this.services = parts.services;
    this.sidecar = parts.sidecar;
    this.egress = parts.egress;
    this.parts = parts;
    this.#who = who;
    this.#endpoints = endpoints;
  }

  /** Itself when the endpoints are the same. */
  withEndpoints(endpoints: EndpointTable): Scope {
    if (endpoints === this.#endpoints) return this;
    return new Scope(this.#who, this.parts, endpoints, this.#memo);
  }

  service(hostname: string): Service | undefined {
    return this.#memo.byHostname.get(hostname);
  }

  endpoints(service: Service): readonly Endpoint[] {
    return this.#endpoints.get(serviceKey(service))?.endpoints ?? noEndpoints;
  }

  destinationRule(hostname: string): DestinationRule | undefined {
    const service = this.service(hostname);
    if (service === undefined) return undefined;
    const { destinationRules } = this.#memo;
    if (destinationRules.has(service)) return destinationRules.get(service);
    const rule = destinationRuleFor(this.#who, service, this.parts.destinationRules);
    destinationRules.set(service, rule);
    return rule;
  }

  virtualServices(gateway: string): readonly VirtualService[] {
    return this.#memo.virtualServices.getOrInsertComputed(gateway, () => this.#rulesOf(gateway));
  }

  #rulesOf(gateway: string): readonly VirtualService[] {
    if (gateway === meshGateway && this.sidecar !== undefined) {
      return [...new Set(this.egress.flatMap((view) => view.virtualServices))];
    }
    return this.parts.virtualServices.filter(({ spec }) => spec.gateways?.includes(gateway));
  }
}

export function destinationRuleFor(
  who: ScopeFor,
  { hostname, namespace }: Service,
  rules: DestinationRules,
): DestinationRule | undefined {
  return selectDestinationRule(rules, hostname, { caller: who, serviceNamespace: namespace });
}

/** What a scope has worked out on request, shared by its versions that differ in endpoints only. */
class Memo {
  readonly byHostname: ReadonlyMap<string, Service>;
  readonly destinationRules: Map<Service, DestinationRule | undefined> = new Map();
  readonly virtualServices: Map<string, readonly VirtualService[]> = new Map();

  constructor(services: readonly Service[]) {
    this.byHostname = hostnamesOf(services);
  }
}

/** Scopes with the same services share the table. */
const hostnames = new WeakMap<readonly Service[], ReadonlyMap<string, Service>>();

const hostnamesOf = (services: readonly Service[]): ReadonlyMap<string, Service> =>
  hostnames.getOrInsertComputed(
    services,
    () => new Map(services.map((service) => [service.hostname, service])),
  );
