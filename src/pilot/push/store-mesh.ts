import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { ConfigObject } from "#model/object.ts";
import { type MeshState, meshState } from "../state/mesh-state.ts";
import type { LiveMesh, MeshChange, PushReason } from "./live-mesh.ts";

/** What of a store Pilot needs. */
export interface WatchedStore {
  readonly name: string;
  list(): readonly ConfigObject[];
  watch(onRevision: (revision: StoreRevision) => void): () => void;
}

export interface StoreRevision {
  readonly changes: readonly {
    readonly before: ConfigObject | undefined;
    readonly after: ConfigObject | undefined;
  }[];
}

export interface StoreMeshOptions {
  /** Of two objects of one name, that of the first store counts. */
  readonly stores: readonly WatchedStore[];
  readonly meshConfig: MeshConfigJson;
  readonly domain: string;
  readonly clusterId: string;
}

const reasons: Readonly<Record<string, PushReason>> = {
  EndpointSlice: "endpoint",
  Endpoints: "endpoint",
  Pod: "endpoint",
  WorkloadEntry: "endpoint",
  Service: "service",
  ServiceEntry: "service",
  Secret: "secret",
  MeshConfig: "global",
};

/** The mesh as the objects of some stores say it is. */
export class StoreMesh implements LiveMesh {
  readonly synced = true;
  readonly #options: StoreMeshOptions;
  #state: MeshState | undefined;

  constructor(options: StoreMeshOptions) {
    this.#options = options;
  }

  objects(): readonly ConfigObject[] {
    const byKey = new Map<string, ConfigObject>();
    for (const store of this.#options.stores) {
      for (const object of store.list()) {
        const { apiVersion, kind, metadata } = object;
        const group = apiVersion.includes("/") ? apiVersion.split("/", 1)[0] : "";
        const key = `${group}/${kind}/${metadata.namespace}/${metadata.name}`;
        if (!byKey.has(key)) byKey.set(key, object);
      }
    }
    return [...byKey.values()];
  }

  state(): MeshState {
    if (this.#state === undefined) {
      const { meshConfig, domain, clusterId } = this.#options;
      this.#state = meshState({ objects: this.objects(), meshConfig, domain, clusterId });
    }
    return this.#state;
  }

  subscribe(onChange: (change: MeshChange) => void): () => void {
    const stops = this.#options.stores.map((store) =>
      store.watch(({ changes }) => {
        this.#state = undefined;
        for (const reason of reasonsOf(changes)) onChange({ reason });
      }),
    );
    return () => {
      for (const stop of stops) stop();
    };
  }
}

function reasonsOf(changes: StoreRevision["changes"]): ReadonlySet<PushReason> {
  return new Set(
    changes.map(({ before, after }) => reasons[after?.kind ?? before?.kind ?? ""] ?? "config"),
  );
}
