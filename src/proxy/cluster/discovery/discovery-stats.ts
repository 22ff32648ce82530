import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { addressText } from "#net/address.ts";
import type { Counter, Gauge, StatsScope } from "../../stats/stats.ts";
import type { ClusterMembers } from "../host.ts";

/**
 * What discovery counts, in Envoy's names. Membership is counted here and not by the workers: each of them has all hosts,
 * and gauges of workers are added up. How many are well also depends on checks and ejections: membership-stats.ts.
 */
export class DiscoveryStats {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly rejected: Counter;
  readonly empty: Counter;
  readonly noRebuild: Counter;
  readonly #change: Counter;
  readonly #total: Gauge;
  readonly #maxWeight: Gauge;
  /** Whoever checks the hosts counts them: some stay longer than discovery names them. */
  readonly countsMembers: boolean;
  #addresses: ReadonlySet<string> = new Set();

  constructor(config: ClusterJson, root: StatsScope, countsMembers = true) {
    this.countsMembers = countsMembers;
    const name = config.altStatName || config.name || "";
    const scope = root.scope(`cluster.${name.replaceAll(":", "_")}.`);
    this.attempt = scope.counter("update_attempt");
    this.success = scope.counter("update_success");
    this.failure = scope.counter("update_failure");
    this.rejected = scope.counter("update_rejected");
    this.empty = scope.counter("update_empty");
    this.noRebuild = scope.counter("update_no_rebuild");
    this.#change = scope.counter("membership_change");
    this.#total = scope.gauge("membership_total");
    scope.gauge("membership_excluded").set(0);
    this.#maxWeight = scope.gauge("max_host_weight");
  }

  membership({ endpoints }: ClusterMembers): void {
    if (!this.countsMembers) return;
    const addresses = new Set(
      endpoints.map(({ priority, address }) => `${priority} ${addressText(address)}`),
    );
    const before = this.#addresses;
    if (addresses.size !== before.size || [...addresses].some((key) => !before.has(key))) {
      this.#change.inc();
    }
    this.#addresses = addresses;
    this.#total.set(addresses.size);
    this.#maxWeight.set(endpoints.reduce((most, { weight }) => Math.max(most, weight), 0));
  }
}
