import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { OverrideHost } from "../stream-info.ts";
import type { Host } from "./host.ts";

const statusesByDefault: readonly string[] = ["UNKNOWN", "HEALTHY", "DEGRADED"];

/** Hosts by their address, for requests that name one; a cluster that gets no such request makes no table. */
export class OverrideHosts {
  readonly #statuses: ReadonlySet<string>;
  #of: readonly Host[] | undefined;
  readonly #byAddress: Map<string, Host> = new Map();

  constructor(config: ClusterJson) {
    const set = config.commonLbConfig?.overrideHostStatus;
    this.#statuses = new Set(set === undefined ? statusesByDefault : set.statuses);
  }

  /** `hosts`: all of the cluster, another list after each change. */
  find(hosts: readonly Host[], { address }: OverrideHost): Host | undefined {
    if (this.#of !== hosts) this.#index(hosts);
    const host = this.#byAddress.get(address);
    return host !== undefined && this.#statuses.has(statusOf(host)) ? host : undefined;
  }

  #index(hosts: readonly Host[]): void {
    this.#of = hosts;
    this.#byAddress.clear();
    // As in Envoy: an address in several priorities is its first one's.
    for (const host of hosts)
      if (!this.#byAddress.has(host.addressText)) this.#byAddress.set(host.addressText, host);
  }
}

/** What is known of the host in discovery's words: what was seen of it goes before what is said of it. */
function statusOf(host: Host): string {
  if (host.health === "unhealthy")
    return host.declaredHealth === "unhealthy" && !host.failedActiveCheck && !host.ejected
      ? host.edsHealth
      : "UNHEALTHY";
  return host.health === "degraded" ? "DEGRADED" : host.edsHealth;
}
