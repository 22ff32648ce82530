import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Host } from "../cluster/host.ts";
import type { Services } from "../services.ts";
import { compileOutlier } from "./config.ts";
import { HostOutlier, type OutlierReporting } from "./host-outlier.ts";
import type { HostVerdict } from "./report.ts";
import { HostCells, type OutlierSlots, outlierKey } from "./slots.ts";

/** Outlier detection of one cluster in one worker: its hosts count, and are ejected when the main thread says so. */
export class WorkerOutlier {
  readonly #reporting: OutlierReporting;
  /** By `outlierKey`; those of the membership. */
  readonly #hosts: Map<string, Host> = new Map();

  /** Undefined: the cluster's hosts are not watched. */
  static of(cluster: ClusterJson, services: Services): WorkerOutlier | undefined {
    const settings = compileOutlier(cluster);
    if (settings === undefined) return undefined;
    const name = cluster.name ?? "";
    return new WorkerOutlier({
      settings,
      runtime: services.runtime,
      report: (host, kind) => services.reportOutlier({ cluster: name, host, kind }),
    });
  }

  constructor(reporting: OutlierReporting) {
    this.#reporting = reporting;
  }

  /** After a new membership: hosts that are new begin to count. */
  attach(hosts: readonly Host[], { chunks, slots }: OutlierSlots): void {
    this.#hosts.clear();
    for (const host of hosts) {
      const key = outlierKey(host);
      this.#hosts.set(key, host);
      if (host.outlier !== undefined) continue;
      const slot = slots[key];
      if (slot === undefined) continue;
      host.outlier = new HostOutlier(this.#reporting, new HostCells(chunks, slot), key);
    }
  }

  /** The host whose health is another now; undefined: it has left. */
  onVerdict({ host: key, state, on }: HostVerdict): Host | undefined {
    const host = this.#hosts.get(key);
    if (host === undefined) return undefined;
    if (state === "ejected") host.ejected = on;
    else {
      host.degradedByOutlier = on;
      if (host.outlier !== undefined) host.outlier.degraded = on;
    }
    return host;
  }
}
