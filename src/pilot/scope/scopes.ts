import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { covers, isWildcard } from "#model/hostname.ts";
import type { Endpoint, Service } from "#model/service.ts";
import { keepList } from "../collections/same.ts";
import { serviceKey } from "../registries/registry.ts";
import { type EgressView, meshGateway, type Sidecar, type VirtualService } from "../view.ts";
import { Circles } from "./circles.ts";
import {
  type DestinationRules,
  hostsUnlike,
  ownTable,
  type RuleTable,
} from "./destination-rules.ts";
import { egressOf } from "./egress.ts";
import { GatewayMerges } from "./gateway-merges.ts";
import { Recent } from "./recent.ts";
import {
  destinationRuleFor,
  type EndpointTable,
  Scope,
  type ScopeFor,
  type ScopeParts,
} from "./scope.ts";
import { selectSidecar } from "./sidecars.ts";

/** What scopes are made of: all that is configured, at one moment. */
export interface ScopeSources {
  readonly mesh: MeshConfigJson;
  readonly domain: string;
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: DestinationRules;
  sidecars(namespace: string): readonly Sidecar[];
  readonly endpointTable: EndpointTable;
}

/** Of a scope everything that it depends on: when these are the same objects, so is the scope. */
interface Inputs {
  readonly mesh: MeshConfigJson;
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
  readonly sidecar: Sidecar | undefined;
  /** DestinationRules of its own namespace. */
  readonly ownRules: RuleTable | undefined;
  /** DestinationRules that other namespaces export. */
  readonly exportedRules: ExportedRules;
  /** Endpoints that clusters and listeners hold themselves. */
  readonly inline: InlineEndpoints;
}

type InlineEndpoints = readonly (readonly Endpoint[] | undefined)[];

interface Known {
  readonly inputs: Inputs;
  readonly scope: Scope;
}

/** Kinds of proxy whose scopes are remembered; each is a few lists that it mostly shares with others. */
const scopesMax = 20_000;

/** Makes scopes, and keeps those that a change does not concern. */
export class Scopes {
  readonly gateways: GatewayMerges = new GatewayMerges();
  readonly #services: Circles<Service> = new Circles((service) => service);
  #virtualServices: Circles<VirtualService> | undefined;
  #defaultExportTo: readonly string[] = [];
  readonly #known: Recent<Known> = new Recent({ entriesMax: scopesMax });
  readonly #meshRules: WeakMap<readonly VirtualService[], readonly VirtualService[]> =
    new WeakMap();

  scope(key: string, who: ScopeFor, sources: ScopeSources): Scope {
    const inputs = this.#inputs(who, sources);
    const known = this.#known.get(key);
    const scope = this.#renew(who, { known, inputs, sources });
    this.#known.set(key, { inputs, scope });
    return scope;
  }

  #inputs(who: ScopeFor, sources: ScopeSources): Inputs {
    const { namespace } = who;
    const services = this.#services.seen(sources.services, namespace);
    const rules = this.#rules(sources).seen(sources.virtualServices, namespace);
    const root = sources.destinationRules.rootNamespace;
    return {
      mesh: sources.mesh,
      services,
      // What only gateways have does not concern a sidecar.
      virtualServices: who.type === "router" ? rules : this.#forMesh(rules),
      sidecar:
        who.type === "sidecar"
          ? selectSidecar(
              { own: sources.sidecars(namespace), root: sources.sidecars(root) },
              who.labels,
            )
          : undefined,
      ownRules: ownTable(sources.destinationRules, namespace),
      exportedRules: exportedRules(services, sources.destinationRules),
      inline: inlineEndpoints(services, sources.endpointTable),
    };
  }

  #rules({ mesh }: ScopeSources): Circles<VirtualService> {
    const defaults = mesh.defaultVirtualServiceExportTo ?? [];
    if (this.#virtualServices === undefined || this.#defaultExportTo !== defaults) {
      this.#defaultExportTo = defaults;
      this.#virtualServices = new Circles(({ metadata, spec }) => ({
        namespace: metadata.namespace,
        exportTo: spec.exportTo?.length ? spec.exportTo : defaults,
      }));
    }
    return this.#virtualServices;
  }

  #forMesh(rules: readonly VirtualService[]): readonly VirtualService[] {
    return this.#meshRules.getOrInsertComputed(rules, () =>
      rules.filter(({ spec }) => spec.gateways?.includes(meshGateway)),
    );
  }

  #renew(
    who: ScopeFor,
    { known, inputs, sources }: { known: Known | undefined; inputs: Inputs; sources: ScopeSources },
  ): Scope {
    if (known !== undefined && sameInputs(known.inputs, inputs)) {
      return known.scope.withEndpoints(sources.endpointTable);
    }
    const parts = this.#parts(who, inputs, { sources, before: known?.scope.parts });
    const same =
      known !== undefined &&
      known.inputs.inline === inputs.inline &&
      sameParts(known.scope.parts, parts) &&
      sameRules(who, known, { inputs, parts });
    if (same) return known.scope.withEndpoints(sources.endpointTable);
    return new Scope(who, parts, sources.endpointTable);
  }

  #parts(
    { namespace, type }: ScopeFor,
    inputs: Inputs,
    { sources, before }: { sources: ScopeSources; before: ScopeParts | undefined },
  ): ScopeParts {
    const virtualServices =
      type === "router" ? this.#forMesh(inputs.virtualServices) : inputs.virtualServices;
    const visible = { namespace, services: inputs.services, virtualServices };
    const { views, services } = egressOf(visible, inputs.sidecar);
    return {
      mesh: inputs.mesh,
      domain: sources.domain,
      services: keepList(before?.services, services),
      egress: keepViews(before?.egress, views),
      sidecar: inputs.sidecar,
      destinationRules: sources.destinationRules,
      virtualServices: inputs.virtualServices,
    };
  }
}

function sameInputs(a: Inputs, b: Inputs): boolean {
  return (
    a.mesh === b.mesh &&
    a.services === b.services &&
    a.virtualServices === b.virtualServices &&
    a.sidecar === b.sidecar &&
    a.inline === b.inline &&
    a.ownRules === b.ownRules &&
    a.exportedRules === b.exportedRules
  );
}

/** Whether nothing that can be read from the scope is another one, but for DestinationRules. */
function sameParts(a: ScopeParts, b: ScopeParts): boolean {
  return (
    a.mesh === b.mesh &&
    a.services === b.services &&
    a.egress === b.egress &&
    a.sidecar === b.sidecar &&
    keepList(a.virtualServices, b.virtualServices) === a.virtualServices
  );
}

/** Whether each service still has the same DestinationRule; only those are looked at whose hosts some table treats differently now. */
function sameRules(
  who: ScopeFor,
  known: Known,
  next: { inputs: Inputs; parts: ScopeParts },
): boolean {
  const { parts } = known.scope;
  return concernedServices(known, next.inputs).every(
    (service) =>
      destinationRuleFor(who, service, parts.destinationRules) ===
      destinationRuleFor(who, service, next.parts.destinationRules),
  );
}

function concernedServices({ inputs, scope }: Known, next: Inputs): readonly Service[] {
  const { ownRules, exportedRules: exported } = inputs;
  // Tables of other namespaces cannot be compared one by one.
  if (exported.namespaces !== next.exportedRules.namespaces) return scope.services;
  const hosts = [
    ...hostsUnlike([ownRules], [next.ownRules]),
    ...hostsUnlike(exported.tables, next.exportedRules.tables),
  ];
  if (!hosts.some(isWildcard)) {
    return hosts.map((host) => scope.service(host)).filter((service) => service !== undefined);
  }
  return scope.services.filter(({ hostname }) => hosts.some((host) => covers(host, hostname)));
}

function keepViews(
  known: readonly EgressView[] | undefined,
  views: readonly EgressView[],
): readonly EgressView[] {
  const kept = views.map((view, index): EgressView => {
    const before = known?.[index];
    if (before === undefined || before.listener !== view.listener) return view;
    const services = keepList(before.services, view.services);
    const virtualServices = keepList(before.virtualServices, view.virtualServices);
    const same = services === before.services && virtualServices === before.virtualServices;
    return same ? before : { listener: view.listener, services, virtualServices };
  });
  return keepList(known, kept);
}

interface Inline {
  readonly table: EndpointTable;
  readonly endpoints: InlineEndpoints;
  readonly keys: readonly string[];
}

const inlineOf = new WeakMap<readonly Service[], Inline>();

/** The same list as long as none of them changes. Found out once for all who see the same services. */
function inlineEndpoints(services: readonly Service[], table: EndpointTable): InlineEndpoints {
  const known = inlineOf.get(services);
  if (known?.table === table) return known.endpoints;
  const keys =
    known?.keys ?? services.filter(({ resolution }) => resolution !== "static").map(serviceKey);
  const current = keys.map((key) => table.get(key)?.endpoints);
  const endpoints = keepList(known?.endpoints, current);
  inlineOf.set(services, { table, endpoints, keys });
  return endpoints;
}

interface ExportedRules {
  readonly namespaces: readonly string[];
  /** Of each of the namespaces. */
  readonly tables: readonly (RuleTable | undefined)[];
}

const exportedOf = new WeakMap<
  readonly Service[],
  { readonly rules: DestinationRules; readonly exported: ExportedRules }
>();

/** What the services' namespaces and the root export, found out once for all who see the same services. */
function exportedRules(services: readonly Service[], rules: DestinationRules): ExportedRules {
  const known = exportedOf.get(services);
  if (known?.rules === rules) return known.exported;
  const sameRoot = known?.rules.rootNamespace === rules.rootNamespace;
  const namespaces = sameRoot
    ? known.exported.namespaces
    : [...new Set([rules.rootNamespace, ...services.map(({ namespace }) => namespace)])];
  const current = namespaces.map((namespace) => rules.exported(namespace));
  const tables = keepList(known?.exported.tables, current);
  const same = sameRoot && tables === known.exported.tables;
  const exported = same ? known.exported : { namespaces, tables };
  exportedOf.set(services, { rules, exported });
  return exported;
}
