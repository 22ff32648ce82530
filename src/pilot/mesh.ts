/** The mesh while it changes: what stores and registries say, as states that follow each other. */
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { defaultMeshConfig, withMeshDefaults } from "#model/mesh-config.ts";
import type { ConfigObject } from "#model/object.ts";
import type { Endpoint, Service } from "#model/service.ts";
import type { Cancel } from "./collections/collection.ts";
import { nameKey, serviceKey } from "./registries/registry.ts";
import { Scopes } from "./scope/scopes.ts";
import { ChangeLog, type MeshChange } from "./state/change-log.ts";
import { type KindName, kindOf, type Specs } from "./state/kinds.ts";
import { defaultClusterId, defaultDomain, MeshState } from "./state/mesh-state.ts";
import { all, Pipeline } from "./state/pipeline.ts";

export interface MeshOptions {
  /** Istio's defaults are filled in. A MeshConfig object in a store goes before it. */
  readonly meshConfig?: MeshConfigJson | undefined;
  /** Of services' names; `cluster.local` when absent. */
  readonly domain?: string | undefined;
  /** Of Pods that say nothing themselves; `Kubernetes` when absent. */
  readonly clusterId?: string | undefined;
}

/** What the mesh needs of a store of configuration. */
export interface ObjectSourceStore {
  readonly name: string;
  list(): readonly ConfigObject[];
  watch(onRevision: (revision: ObjectRevision) => void): Cancel;
}

export interface ObjectRevision {
  readonly changes: readonly ObjectUpdate[];
}

export interface ObjectUpdate {
  readonly before: ConfigObject | undefined;
  readonly after: ConfigObject | undefined;
}

/** A service that somebody else knows: a registry that is not made of objects. */
export interface ForeignService {
  readonly service: Service;
  readonly endpoints: readonly Endpoint[];
}

/** Endpoints of a service that is registered elsewhere. */
export interface ForeignEndpoints {
  readonly hostname: string;
  readonly namespace: string;
  readonly endpoints: readonly Endpoint[];
}

export class Mesh {
  readonly #pipeline: Pipeline;
  readonly #scopes: Scopes = new Scopes();
  readonly #log: ChangeLog;
  readonly #subscribers: Set<(change: MeshChange) => void> = new Set();
  readonly #stores: ObjectSourceStore[] = [];
  /** Of each object: what each store says. */
  readonly #claims: Map<string, Map<ObjectSourceStore, ConfigObject>> = new Map();
  readonly #registered: Map<string, ReadonlySet<string>> = new Map();
  /** Of each source of endpoints: the keys of its lists. */
  readonly #found: Map<string, readonly string[]> = new Map();
  readonly #meshConfig: MeshConfigJson;
  readonly #afterwards: (() => void)[] = [];
  #holds = 0;
  #state: MeshState;

  constructor({ meshConfig, domain, clusterId }: MeshOptions = {}) {
    this.#pipeline = new Pipeline({
      domain: domain ?? defaultDomain,
      clusterId: clusterId ?? defaultClusterId,
    });
    this.#meshConfig = meshConfig === undefined ? defaultMeshConfig : withMeshDefaults(meshConfig);
    this.#pipeline.graph.transact(() => this.#pipeline.mesh.set(all, this.#meshConfig));
    this.#log = new ChangeLog(this.#pipeline);
    this.#state = new MeshState(this.#pipeline, this.#scopes);
  }

  /** As it is now; immutable. Parts that a change does not concern are the same objects in the next one. */
  state(): MeshState {
    return this.#state;
  }

  /** False: something is not known yet, and no proxy may be told that it does not exist. */
  get synced(): boolean {
    return this.#holds === 0;
  }

  /** Not synced before the one that is returned is called: a registry looks around first. */
  hold(): () => void {
    this.#holds++;
    let held = true;
    return () => {
      if (held) this.#holds--;
      held = false;
    };
  }

  /** Every object that counts. */
  objects(): readonly ConfigObject[] {
    return [...this.#claims.values()]
      .map((claims) => this.#believed(claims))
      .filter((object) => object !== undefined);
  }

  /** Every change, once it is in the state. What makes no difference to anybody is not told. */
  subscribe(onChange: (change: MeshChange) => void): Cancel {
    this.#subscribers.add(onChange);
    return () => this.#subscribers.delete(onChange);
  }

  /** The object of a kind that counts. */
  object<K extends KindName>(
    kind: K,
    namespace: string,
    name: string,
  ): ConfigObject<Specs[K]> | undefined {
    return this.#pipeline.objects(kind).get(`${namespace}/${name}`);
  }

  /** `namespace/name` of all objects of a kind that came, went or are others now, after whoever watches states has heard. */
  watchObjects(kind: KindName, onChange: (names: readonly string[]) => void): Cancel {
    const cancel = this.#pipeline.objects(kind).subscribe((batch) => {
      this.#afterwards.push(() => onChange(batch.map(({ key }) => key)));
    });
    return cancel;
  }

  /** What a store holds, and all its changes from now on. Of stores that have the same object the one added first is believed. */
  follow(store: ObjectSourceStore): Cancel {
    this.#stores.push(store);
    this.#transact(() => {
      for (const object of store.list()) this.#claim(store, { before: undefined, after: object });
    });
    const cancel = store.watch(({ changes }) =>
      this.#transact(() => {
        for (const change of changes) this.#claim(store, change);
      }),
    );
    return () => {
      cancel();
      this.#transact(() => this.#forget(store));
    };
  }

  /** All services that a registry knows now, in place of those it knew before. */
  register(registry: string, services: readonly ForeignService[]): void {
    const { registered } = this.#pipeline;
    const known = this.#registered.get(registry) ?? new Set<string>();
    const next = new Map(
      services.map((entry) => [`${registry}/${serviceKey(entry.service)}`, entry]),
    );
    this.#registered.set(registry, new Set(next.keys()));
    this.#transact(() => {
      for (const key of known) if (!next.has(key)) registered.delete(key);
      for (const [key, entry] of next) registered.set(key, { key, ...entry });
    });
  }

  /** All endpoints that a source knows now, of services that are registered elsewhere, in place of those it knew before. */
  registerEndpoints(source: string, lists: readonly ForeignEndpoints[]): void {
    const { foundEndpoints } = this.#pipeline;
    const known = this.#found.get(source) ?? [];
    const next = new Map(lists.map((list) => [`${source}: ${serviceKey(list)}`, list]));
    if (next.size === 0) this.#found.delete(source);
    else this.#found.set(source, [...next.keys()]);
    this.#transact(() => {
      for (const key of known) if (!next.has(key)) foundEndpoints.delete(key);
      for (const [key, list] of next) foundEndpoints.set(key, { key, ...list });
    });
  }

  #forget(store: ObjectSourceStore): void {
    for (const claims of [...this.#claims.values()]) {
      const object = claims.get(store);
      if (object !== undefined) this.#claim(store, { before: object, after: undefined });
    }
    const place = this.#stores.indexOf(store);
    if (place >= 0) this.#stores.splice(place, 1);
  }

  #claim(store: ObjectSourceStore, { before, after }: ObjectUpdate): void {
    const named = after ?? before;
    if (named === undefined) return;
    const key = keyOf(named);
    const claims = this.#claims.getOrInsertComputed(key, () => new Map());
    const believedBefore = this.#believed(claims);
    if (after === undefined) claims.delete(store);
    else claims.set(store, after);
    if (claims.size === 0) this.#claims.delete(key);
    const believed = this.#believed(claims);
    if (believed !== believedBefore) this.#put(named, believed);
  }

  #put(named: ConfigObject, object: ConfigObject | undefined): void {
    if (named.kind === "MeshConfig") this.#chooseMeshConfig();
    const kind = kindOf(named);
    if (kind === undefined) return;
    const source = this.#pipeline.source(kind);
    if (object === undefined) source.delete(nameKey(named));
    else source.set(nameKey(named), object);
  }

  /** The first by name of the MeshConfig objects, else what Pilot was started with. */
  #chooseMeshConfig(): void {
    const [written] = this.objects()
      .filter(({ kind }) => kind === "MeshConfig")
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    // Its reader decoded it by MeshConfig's message.
    const config = written && withMeshDefaults(written.spec as MeshConfigJson);
    this.#pipeline.mesh.set(all, config ?? this.#meshConfig);
  }

  #believed(claims: ReadonlyMap<ObjectSourceStore, ConfigObject>): ConfigObject | undefined {
    if (claims.size <= 1) return claims.values().next().value;
    const store = this.#stores.find((candidate) => claims.has(candidate));
    return store && claims.get(store);
  }

  #transact(changes: () => void): void {
    this.#pipeline.graph.transact(changes);
    const change = this.#log.take();
    if (change !== undefined) {
      this.#state = new MeshState(this.#pipeline, this.#scopes);
      for (const onChange of this.#subscribers) onChange(change);
    }
    // They may change the mesh again.
    for (const tell of this.#afterwards.splice(0)) tell();
  }
}

/** Kinds of different groups share names. */
const keyOf = ({ apiVersion, kind, metadata }: ConfigObject): string =>
  `${apiVersion.includes("/") ? apiVersion.split("/", 1)[0] : ""}/${kind}/${nameKey({ metadata })}`;
