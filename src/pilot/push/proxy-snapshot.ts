import type { NameSet } from "#xds/name-set.ts";
import { emptySet, type ResourceSet } from "#xds/resource-set.ts";
import { endpointType, type ResourceType, secretType } from "#xds/resource-type.ts";
import type { Snapshot } from "#xds/source.ts";
import { isGrpcNode } from "../translate/grpc/generate.ts";
import type { OutboundScope, ProxyView } from "../view.ts";
import { generatorOf } from "./generators.ts";
import { type SetCache, sameList } from "./set-cache.ts";

export interface SnapshotServices {
  readonly sets: SetCache;
  readonly endpoints: EndpointSets;
  /** A generator has failed: the proxy keeps what it had. */
  onFailure(type: ResourceType, view: ProxyView, error: unknown): void;
  /** How long a generator took; undefined names: all. */
  measure<T>(type: ResourceType, work: () => T): T;
}

/** Endpoints depend on the scope alone: those that many proxies ask for are put together once. */
export class EndpointSets {
  readonly #byScope = new WeakMap<OutboundScope, WeakMap<object, ResourceSet>>();

  of(scope: OutboundScope, names: NameSet | undefined, make: () => ResourceSet): ResourceSet {
    const byNames = this.#byScope.getOrInsertComputed(scope, () => new WeakMap());
    return byNames.getOrInsertComputed(names ?? scope, make);
  }
}

type Sets = Map<ResourceType, Map<NameSet | undefined, ResourceSet>>;

/** What one proxy is to have at one revision; made when it is asked for. */
export class ProxySnapshot implements Snapshot {
  readonly revision: number;
  readonly view: ProxyView;
  /** The proxy sees another thing than before. */
  readonly changed: boolean;
  readonly #services: SnapshotServices;
  /** Also of the snapshots before it, as long as nothing changed that the proxy sees. */
  readonly #sets: Sets;
  /** Read from the state and not from the view. */
  readonly #secrets = new Map<NameSet | undefined, ResourceSet>();
  /** The last good set of each type, for what cannot be made. */
  readonly #last: Map<ResourceType, ResourceSet>;

  constructor(
    revision: number,
    view: ProxyView,
    services: SnapshotServices,
    before: ProxySnapshot | undefined,
  ) {
    this.revision = revision;
    this.view = view;
    this.#services = services;
    this.#last = before === undefined ? new Map() : before.#last;
    const same = before !== undefined && sameButEndpoints(before.view, view);
    this.changed = !same;
    this.#sets = !same
      ? new Map()
      : before.view.scope === view.scope
        ? before.#sets
        : new Map([...before.#sets].filter(([type]) => type !== endpointType));
  }

  resources(type: ResourceType, names: NameSet | undefined): ResourceSet {
    const byNames =
      type === secretType
        ? this.#secrets
        : this.#sets.getOrInsertComputed(type, () => new Map<NameSet | undefined, ResourceSet>());
    const known = byNames.get(names);
    if (known !== undefined) return known;
    const set = this.#find(type, names);
    byNames.set(names, set);
    this.#last.set(type, set);
    return set;
  }

  #find(type: ResourceType, names: NameSet | undefined): ResourceSet {
    if (names !== undefined && type.wildcard) return this.resources(type, undefined).pick(names);
    // A gRPC client's are not a sidecar's.
    if (type !== endpointType || isGrpcNode(this.view.node)) return this.#make(type, names);
    const { endpoints } = this.#services;
    return endpoints.of(this.view.scope, names, () => this.#make(type, names));
  }

  #make(type: ResourceType, names: NameSet | undefined): ResourceSet {
    const generate = generatorOf(type, this.view);
    if (generate === undefined) return emptySet;
    const { sets, measure, onFailure } = this.#services;
    const last = this.#last.get(type) ?? emptySet;
    try {
      return measure(type, () => {
        const objects = generate(this.view, names);
        return sets.of({ type, objects, owner: this.view.scope.key, last });
      });
    } catch (error) {
      onFailure(type, this.view, error);
      return names === undefined ? last : last.pick(names);
    }
  }
}

/** Endpoints apart, which only EDS reads: those that clusters and listeners hold change the scope's key. */
function sameButEndpoints(a: ProxyView, b: ProxyView): boolean {
  return (
    a.scope.key === b.scope.key &&
    a.node === b.node &&
    sameList(a.servers, b.servers) &&
    sameTargets(a.targets, b.targets)
  );
}

function sameTargets(a: ProxyView["targets"], b: ProxyView["targets"]): boolean {
  return (
    a.length === b.length &&
    a.every((target, index) => {
      const other = b[index];
      return (
        target.service === other?.service &&
        target.port === other.port &&
        target.endpoint === other.endpoint &&
        target.targetPort === other.targetPort
      );
    })
  );
}
