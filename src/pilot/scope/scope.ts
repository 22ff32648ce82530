import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { ProxyNode } from "#model/node.ts";
import type { Endpoint, Service } from "#model/service.ts";
import type {
  DestinationRule,
  EgressView,
  OutboundScope,
  Sidecar,
  VirtualService,
} from "../view.ts";
import { meshGateway } from "../view.ts";
import { type DestinationRuleIndex, selectDestinationRule } from "./destination-rules.ts";
import { circleOf } from "./visibility.ts";

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
>;

/** What a proxy's scope depends on; `labelKeys`: those that some rule looks at. */
export function scopeFor(node: ProxyNode, labelKeys: ReadonlySet<string>): ScopeFor {
  const { type, namespace, locality, clusterId, network, interceptionMode, dnsCapture } = node;
  const labels = Object.fromEntries(
    Object.entries(node.labels)
      .filter(([key]) => labelKeys.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  return { type, namespace, labels, locality, clusterId, network, interceptionMode, dnsCapture };
}

/** The parts of the mesh's state that a scope is made of. */
export interface ScopeParts {
  readonly mesh: MeshConfigJson;
  readonly domain: string;
  readonly services: ReadonlyMap<string, Service>;
  readonly egress: readonly EgressView[];
  readonly sidecar: Sidecar | undefined;
  readonly destinationRules: DestinationRuleIndex;
  /** Every VirtualService that the namespace may see, in order. */
  readonly virtualServices: readonly VirtualService[];
}

export type EndpointLookup = (service: Service) => readonly Endpoint[];

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
  readonly mesh: MeshConfigJson;
  readonly domain: string;
  readonly services: readonly Service[];
  readonly sidecar: Sidecar | undefined;
  readonly egress: readonly EgressView[];
  readonly #who: ScopeFor;
  readonly #parts: ScopeParts;
  readonly #endpoints: EndpointLookup;
  readonly #memo: Memo;

  constructor(
    who: ScopeFor,
    parts: ScopeParts,
    endpoints: EndpointLookup,
    memo: Memo = new Memo(),
  ) {
    this.key = memo;
    this.type = who.type;
    this.namespace = who.namespace;
    this.labels = who.labels;
    this.locality = who.locality;
    this.clusterId = who.clusterId;
    this.network = who.network;
    this.interceptionMode = who.interceptionMode;
    this.dnsCapture = who.dnsCapture;
    this.mesh = parts.mesh;
    this.domain = parts.domain;
    this.sidecar = parts.sidecar;
    this.egress = parts.egress;
    memo.services ??= [...parts.services.values()];
    this.services = memo.services;
    this.#who = who;
    this.#parts = parts;
    this.#endpoints = endpoints;
    this.#memo = memo;
  }

  withEndpoints(endpoints: EndpointLookup): Scope {
    return new Scope(this.#who, this.#parts, endpoints, this.#memo);
  }

  service(hostname: string): Service | undefined {
    return this.#parts.services.get(hostname);
  }

  endpoints(service: Service): readonly Endpoint[] {
    return this.#endpoints(service);
  }

  destinationRule(hostname: string): DestinationRule | undefined {
    const { destinationRules } = this.#memo;
    if (destinationRules.has(hostname)) return destinationRules.get(hostname);
    const serviceNamespace = this.service(hostname)?.namespace ?? this.namespace;
    const rule = selectDestinationRule(this.#parts.destinationRules, hostname, {
      caller: this,
      serviceNamespace,
    });
    destinationRules.set(hostname, rule);
    return rule;
  }

  virtualServices(gateway: string): readonly VirtualService[] {
    return this.#memo.virtualServices.getOrInsertComputed(gateway, () => this.#rulesOf(gateway));
  }

  #rulesOf(gateway: string): readonly VirtualService[] {
    if (gateway === meshGateway && this.sidecar !== undefined) {
      return [...new Set(this.egress.flatMap((view) => view.virtualServices))];
    }
    return this.#parts.virtualServices.filter(({ spec }) => spec.gateways?.includes(gateway));
  }
}

/** What a scope has worked out on request, shared by its versions that differ in endpoints only. */
class Memo {
  services: readonly Service[] | undefined;
  readonly destinationRules: Map<string, DestinationRule | undefined> = new Map();
  readonly virtualServices: Map<string, readonly VirtualService[]> = new Map();
}

/** The rules that a namespace may see: its private ones, those exported to it by name, the public ones; each in the given order. */
export function visibleRules(
  rules: readonly VirtualService[],
  from: string,
  defaultExportTo: readonly string[],
): readonly VirtualService[] {
  const circles: [VirtualService[], VirtualService[], VirtualService[]] = [[], [], []];
  for (const rule of rules) {
    const exportTo = rule.spec.exportTo?.length ? rule.spec.exportTo : defaultExportTo;
    const circle = circleOf(exportTo, { namespace: rule.metadata.namespace, from });
    if (circle !== undefined) circles[circle].push(rule);
  }
  return circles.flat();
}
