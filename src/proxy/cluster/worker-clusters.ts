import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import { compileHealthCheck } from "../health-check/config.ts";
import type { CheckedHost } from "../health-check/host-check.ts";
import { type HeldContexts, Lease } from "../lease.ts";
import type { HostVerdict } from "../outlier/report.ts";
import type { Services } from "../services.ts";
import type { SharedCells } from "./circuit-breakers.ts";
import { WorkerCluster } from "./cluster.ts";
import { checkDiscovery } from "./discovery/check.ts";
import type { ClusterMembers } from "./host.ts";
import type { Cluster, ClusterManager, LocalCluster } from "./manager.ts";

export interface ClusterContext {
  readonly services: Services;
  readonly contexts: HeldContexts;
  readonly cells: SharedCells | undefined;
}

interface HeldCluster {
  readonly cluster: WorkerCluster;
  readonly lease: Lease;
}

/** All clusters of one worker by name. */
export class WorkerClusters implements ClusterManager {
  readonly #clusters: Map<string, WorkerCluster> = new Map();
  readonly #leases: Map<WorkerCluster, Lease> = new Map();
  /** Compiled, and not in use before their members are known. */
  readonly #warming: Map<string, HeldCluster> = new Map();
  #localName = "";
  readonly #declared: Set<string> = new Set();

  get(name: string): Cluster | undefined {
    return this.#clusters.get(name);
  }

  declares(name: string): boolean {
    return this.#declared.has(name);
  }

  get local(): LocalCluster | undefined {
    return this.#localName === "" ? undefined : this.#clusters.get(this.#localName);
  }

  /** After the static clusters have been added. */
  chooseLocal(name: string): void {
    if (name !== "" && !this.#clusters.has(name))
      throw refuse("local_cluster_name", `local cluster '${name}' must be defined`);
    this.#localName = name;
  }

  get all(): Iterable<Cluster> {
    return this.#clusters.values();
  }

  get size(): number {
    return this.#clusters.size;
  }

  /** Throws ConfigError with every problem; nothing is added then. */
  addAll(configs: readonly ClusterJson[], context: ClusterContext): void {
    const made = compileEach("clusters", configs, (config) => {
      const name = config.name ?? "";
      if (this.#declared.has(name)) throw refuse("name", `duplicate cluster name '${name}'`);
      this.#declared.add(name);
      return compileCluster(config, context);
    });
    for (const held of made) this.#use(held);
  }

  /** From now on members reach it; requests do when it is activated. Throws ConfigError: what was there stays. */
  prepare(config: ClusterJson, context: ClusterContext): void {
    const name = config.name ?? "";
    const held = compileCluster(config, context);
    this.discard(name);
    this.#declared.add(name);
    this.#warming.set(name, held);
  }

  /** The prepared cluster takes the place of the one of its name. */
  activate(name: string): void {
    const held = this.#warming.get(name);
    if (held === undefined) return;
    this.#warming.delete(name);
    this.#retire(name);
    this.#use(held);
  }

  /** The prepared cluster is wanted no more. */
  discard(name: string): void {
    const held = this.#warming.get(name);
    if (held === undefined) return;
    this.#warming.delete(name);
    held.cluster.destroy();
    held.lease.end();
    if (!this.#clusters.has(name)) this.#declared.delete(name);
  }

  remove(name: string): void {
    this.discard(name);
    this.#retire(name);
    this.#declared.delete(name);
  }

  #use({ cluster, lease }: HeldCluster): void {
    this.#clusters.set(cluster.name, cluster);
    this.#leases.set(cluster, lease);
  }

  /** Requests that run end in their own time. */
  #retire(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    cluster.drain();
    this.#leases.get(cluster)?.end();
    this.#leases.delete(cluster);
  }

  update(members: ClusterMembers): void {
    const name = members.cluster;
    (this.#warming.get(name)?.cluster ?? this.#clusters.get(name))?.update(members);
  }

  setCheck({ cluster, host, check }: CheckedHost): void {
    (this.#warming.get(cluster)?.cluster ?? this.#clusters.get(cluster))?.setCheck(host, check);
  }

  onVerdict(verdict: HostVerdict): void {
    this.#clusters.get(verdict.cluster)?.onVerdict(verdict);
  }

  destroy(): void {
    for (const cluster of this.#clusters.values()) cluster.destroy();
    for (const { cluster } of this.#warming.values()) cluster.destroy();
  }
}

function compileCluster(
  config: ClusterJson,
  { services, contexts, cells }: ClusterContext,
): HeldCluster {
  checkDiscovery(config);
  // The main thread checks hosts; what it will refuse must be known here.
  compileHealthCheck(config);
  const lease = new Lease(services, contexts);
  try {
    return { cluster: new WorkerCluster(config, lease.services, cells), lease };
  } catch (error) {
    lease.end();
    throw error;
  }
}
