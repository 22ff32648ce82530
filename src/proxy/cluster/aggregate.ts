import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterConfigJson } from "#gen/envoy/extensions/clusters/aggregate/v3/cluster_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { HostSet, PickContext } from "../balancer/balancer.ts";
import type { Services } from "../services.ts";
import { aggregateTypeName } from "./cluster-type.ts";
import type { Host } from "./host.ts";
import type { Cluster } from "./manager.ts";
import { type PriorityLoad, priorityLoads } from "./priority-load.ts";

/** One priority of one of the clusters. */
interface Step {
  readonly cluster: Cluster;
  readonly set: HostSet;
}

/** `envoy.clusters.aggregate`: the priorities of several clusters, one cluster's after the other's. */
export class Aggregate {
  readonly #names: readonly string[];
  readonly #services: Services;
  readonly #panicThreshold: number;
  #seen: readonly (readonly HostSet[])[] = [];
  #steps: readonly Step[] = [];
  #loads: readonly PriorityLoad[] = [];
  /** Whose connections a picked host's are. */
  readonly #owners: WeakMap<Host, Cluster> = new WeakMap();

  /** Undefined: the cluster is none. */
  static of(config: ClusterJson, services: Services): Aggregate | undefined {
    if (config.clusterType?.name !== aggregateTypeName) return undefined;
    // Proof: the reader checked the Any against its message, and the extension of this name has but one.
    const { clusters = [] } = (config.clusterType.typedConfig ?? {}) as ClusterConfigJson;
    if (clusters.length === 0) throw refuse("cluster_type.clusters", "is required");
    return new Aggregate(clusters, config, services);
  }

  private constructor(names: readonly string[], config: ClusterJson, services: Services) {
    const threshold = config.commonLbConfig?.healthyPanicThreshold;
    this.#names = names;
    this.#services = services;
    this.#panicThreshold = threshold === undefined ? 50 : Number(threshold.value ?? 0);
  }

  ownerOf(host: Host): Cluster | undefined {
    return this.#owners.get(host);
  }

  pick(context: PickContext): Host | undefined {
    if (this.#changed()) this.#line();
    let draw = this.#services.random.below(100);
    for (const health of ["healthy", "degraded"] as const) {
      for (let index = 0; index < this.#loads.length; index++) {
        draw -= this.#loads[index]?.[health] ?? 0;
        if (draw < 0) return this.#pickAt(this.#steps[index], health, context);
      }
    }
    return undefined;
  }

  #pickAt(
    step: Step | undefined,
    health: "healthy" | "degraded",
    context: PickContext,
  ): Host | undefined {
    const host = step?.cluster.balanced?.pickAt(step.set.priority, health, context);
    if (step !== undefined && host !== undefined) this.#owners.set(host, step.cluster);
    return host;
  }

  /** Whether one of the clusters has other hosts, or hosts of other health, than when the line was made. */
  #changed(): boolean {
    const { clusters } = this.#services;
    if (this.#seen.length === 0) return true;
    for (let i = 0; i < this.#names.length; i++) {
      const sets = clusters.get(this.#names[i] ?? "")?.balanced?.sets ?? none;
      if (sets !== this.#seen[i]) return true;
    }
    return false;
  }

  #line(): void {
    const { clusters } = this.#services;
    const found = this.#names.map((name) => clusters.get(name));
    this.#seen = found.map((cluster) => cluster?.balanced?.sets ?? none);
    // As in Envoy: a priority without hosts, or a cluster that is not there, is passed over.
    this.#steps = found.flatMap((cluster, index) =>
      cluster === undefined
        ? []
        : (this.#seen[index] ?? none)
            .filter(({ hosts }) => hosts.length > 0)
            .map((set) => ({ cluster, set })),
    );
    const sets = this.#steps.map(({ set }) => set);
    this.#loads = priorityLoads(sets, {
      overprovisioning: 140,
      panicThreshold: this.#panicThreshold,
    });
  }
}

const none: readonly HostSet[] = [];
