import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import { compileHealthCheck } from "../health-check/config.ts";
import type { CheckedHost } from "../health-check/host-check.ts";
import type { HostVerdict } from "../outlier/report.ts";
import type { Services } from "../services.ts";
import type { SharedCells } from "./circuit-breakers.ts";
import { WorkerCluster } from "./cluster.ts";
import { checkDiscovery } from "./discovery/check.ts";
import type { ClusterMembers } from "./host.ts";
import type { Cluster, ClusterManager, LocalCluster } from "./manager.ts";

/** All clusters of one worker by name. */
export class WorkerClusters implements ClusterManager {
  readonly #clusters: Map<string, WorkerCluster> = new Map();
  #local: WorkerCluster | undefined;
  readonly #declared: Set<string> = new Set();

  get(name: string): Cluster | undefined {
    return this.#clusters.get(name);
  }

  declares(name: string): boolean {
    return this.#declared.has(name);
  }

  get local(): LocalCluster | undefined {
    return this.#local;
  }

  /** After the clusters have been added. */
  chooseLocal(name: string): void {
    if (name === "") return;
    this.#local = this.#clusters.get(name);
    if (this.#local === undefined)
      throw refuse("local_cluster_name", `local cluster '${name}' must be defined`);
  }

  get all(): Iterable<Cluster> {
    return this.#clusters.values();
  }

  get size(): number {
    return this.#clusters.size;
  }

  /** Throws ConfigError with every problem; nothing is added then. */
  addAll(
    configs: readonly ClusterJson[],
    services: Services,
    cells: SharedCells | undefined,
  ): void {
    const made = compileEach("clusters", configs, (config) => {
      const name = config.name ?? "";
      if (this.#declared.has(name)) throw refuse("name", `duplicate cluster name '${name}'`);
      this.#declared.add(name);
      checkDiscovery(config);
      // The main thread checks hosts; what it will refuse must be known here.
      compileHealthCheck(config);
      return new WorkerCluster(config, services, cells);
    });
    for (const cluster of made) this.#clusters.set(cluster.name, cluster);
  }

  update(members: ClusterMembers): void {
    this.#clusters.get(members.cluster)?.update(members);
  }

  setCheck({ cluster, host, check }: CheckedHost): void {
    this.#clusters.get(cluster)?.setCheck(host, check);
  }

  onVerdict(verdict: HostVerdict): void {
    this.#clusters.get(verdict.cluster)?.onVerdict(verdict);
  }

  destroy(): void {
    for (const cluster of this.#clusters.values()) cluster.destroy();
  }
}
