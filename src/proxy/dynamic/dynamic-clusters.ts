import { isDeepStrictEqual } from "node:util";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Clock } from "#lib/clock.ts";
import { clusterType, type ResourceType } from "#xds/resource-type.ts";
import type { ResourceProblem, ResourceUpdate, Subscriber } from "#xds/subscriber.ts";
import { SharedCells } from "../cluster/circuit-breakers.ts";
import type { MainClusters } from "../main-clusters.ts";
import type { Gauge, StatsScope } from "../stats/stats.ts";
import type { ConfigChange } from "../worker-protocol.ts";
import { refusedChanges } from "./check-sources.ts";
import type { SecretWatches } from "./secret-watches.ts";
import type { Sources } from "./sources.ts";
import { DynamicStatus } from "./status.ts";
import { once } from "./waits.ts";
import type { WorkerControl } from "./worker-control.ts";

export interface DynamicClustersContext {
  readonly clock: Clock;
  readonly workers: WorkerControl;
  readonly sources: Sources;
  readonly clusters: Pick<MainClusters, "add" | "remove">;
  readonly secrets: Pick<SecretWatches, "watchAll">;
  /** Of the main thread. */
  readonly stats: StatsScope;
  /** Those of the bootstrap: a control plane does not change them. */
  readonly staticNames: ReadonlySet<string>;
}

interface Entry {
  readonly config: ClusterJson;
  /** Of its secrets. */
  readonly endWatches: () => void;
}

/** Clusters that come by CDS: compiled by the workers, in use when their members and secrets are known. */
export class DynamicClusters implements Subscriber {
  readonly type: ResourceType = clusterType;
  readonly status: DynamicStatus<ClusterJson>;
  readonly #context: DynamicClustersContext;
  /** The newest of each name. */
  readonly #entries: Map<string, Entry> = new Map();
  readonly #warming: Set<string> = new Set();
  readonly #activeNames: Set<string> = new Set();
  /** Workers know a cluster by its name only: while they take another one, none is put in use. */
  #changing = false;
  readonly #ready: Map<string, Entry> = new Map();
  readonly #whenWarm: (() => void)[] = [];
  readonly #active: Gauge;
  readonly #warmingGauge: Gauge;

  constructor(context: DynamicClustersContext) {
    this.#context = context;
    this.status = new DynamicStatus(context.clock);
    const scope = context.stats.scope("cluster_manager.");
    this.#active = scope.gauge("active_clusters");
    this.#warmingGauge = scope.gauge("warming_clusters");
    this.#count();
  }

  async apply({ version, set, removed }: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    const { staticNames, workers } = this.#context;
    this.status.versionInfo = version;
    const changed = set.filter(({ name, json }) => {
      if (staticNames.has(name)) return false;
      const same = isDeepStrictEqual(this.#entries.get(name)?.config, json);
      if (same) this.status.same(name);
      return !same;
    });
    const changes = changed.map(
      // Proof: the source decoded them as clusters.
      ({ json }): ConfigChange => ({
        kind: "cluster",
        config: json as unknown as ClusterJson,
        cells: workers.threads ? SharedCells.allocate(1) : undefined,
      }),
    );
    this.#changing = true;
    const refused = await refusedChanges(changes, this.#context);
    this.#changing = false;
    const problems: ResourceProblem[] = [];
    for (const [index, { name, version: own, json }] of changed.entries()) {
      const message = refused.get(index);
      // Proof: as above.
      const config = json as unknown as ClusterJson;
      if (message === undefined) this.#add(name, own, config);
      else {
        problems.push({ name, path: "", message });
        this.status.refused(name, { version: own, config, message });
      }
    }
    for (const name of removed) this.#remove(name);
    this.#activateReady();
    this.#count();
    return problems;
  }

  #add(name: string, version: string, config: ClusterJson): void {
    const { clusters, secrets } = this.#context;
    this.#entries.get(name)?.endWatches();
    this.#warming.add(name);
    this.status.warming(name, { version, config });
    let waitsFor = 2;
    const ready = (): void => {
      if (--waitsFor > 0) return;
      this.#ready.set(name, entry);
      if (!this.#changing) this.#activateReady();
    };
    const entry: Entry = { config, endWatches: () => watches.end() };
    this.#entries.set(name, entry);
    const watches = secrets.watchAll(config, ready);
    clusters.add(config, once(ready));
    watches.start();
  }

  #activateReady(): void {
    for (const [name, entry] of this.#ready) {
      this.#ready.delete(name);
      // Another one of its name may have come.
      if (this.#entries.get(name) === entry) this.#activate(name);
    }
  }

  #activate(name: string): void {
    this.#warming.delete(name);
    this.#activeNames.add(name);
    this.#context.workers.step({ kind: "activate-clusters", names: [name] });
    this.status.active(name);
    this.#count();
    if (this.#warming.size === 0) for (const callback of this.#whenWarm.splice(0)) callback();
  }

  #remove(name: string): void {
    this.status.remove(name);
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.endWatches();
    this.#entries.delete(name);
    this.#warming.delete(name);
    this.#activeNames.delete(name);
    this.#context.clusters.remove(name);
    this.#context.workers.step({ kind: "remove-cluster", name });
    if (this.#warming.size === 0) for (const callback of this.#whenWarm.splice(0)) callback();
  }

  #count(): void {
    const { staticNames } = this.#context;
    this.#warmingGauge.set(this.#warming.size);
    this.#active.set(staticNames.size + this.#activeNames.size);
  }

  /** Resolves when no cluster warms. */
  warm(): Promise<void> {
    if (this.#warming.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenWarm.push(resolve));
  }
}
