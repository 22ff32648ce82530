import type { Services } from "../services.ts";
import type { Gauge, StatsScope } from "../stats/stats.ts";
import type { Host, HostHealth } from "./host.ts";

/** How many hosts are well. All workers know the same, so the first one says it. */
export class MembershipStats {
  readonly #healthy: Gauge;
  readonly #degraded: Gauge;
  readonly #excluded: Gauge;

  static of(stats: StatsScope, { workerIndex }: Services): MembershipStats | undefined {
    return workerIndex === 0 ? new MembershipStats(stats) : undefined;
  }

  constructor(stats: StatsScope) {
    this.#healthy = stats.gauge("membership_healthy");
    this.#degraded = stats.gauge("membership_degraded");
    this.#excluded = stats.gauge("membership_excluded");
    this.#excluded.set(0);
    this.#healthy.set(0);
    this.#degraded.set(0);
  }

  recount(hosts: readonly Host[]): void {
    this.#healthy.set(hosts.filter(({ health }) => health === "healthy").length);
    this.#degraded.set(hosts.filter(({ health }) => health === "degraded").length);
    this.#excluded.set(hosts.filter(({ excluded }) => excluded).length);
  }

  changed(before: HostHealth, after: HostHealth): void {
    this.#of(before)?.dec();
    this.#of(after)?.inc();
  }

  excludedChanged(excluded: boolean): void {
    if (excluded) this.#excluded.inc();
    else this.#excluded.dec();
  }

  #of(health: HostHealth): Gauge | undefined {
    if (health === "healthy") return this.#healthy;
    return health === "degraded" ? this.#degraded : undefined;
  }
}
