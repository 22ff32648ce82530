import type { Counter, Gauge, StatsScope } from "../../../stats/stats.ts";

/** Of one downstream cluster. */
export interface ClusterFaults {
  readonly aborts: Counter;
  readonly delays: Counter;
}

const clustersMax = 1000;

/** A filter's counters, and its active faults in all workers. */
export class FaultStats {
  readonly aborts: Counter;
  readonly delays: Counter;
  readonly rateLimits: Counter;
  readonly overflow: Counter;
  readonly #active: Gauge;
  /** One number, shared by the workers. */
  readonly #counted: BigInt64Array;
  readonly #scope: StatsScope;
  readonly #clusters = new Map<string, ClusterFaults>();

  constructor(scope: StatsScope, counted: BigInt64Array) {
    this.#scope = scope.scope("fault.");
    this.aborts = this.#scope.counter("aborts_injected");
    this.delays = this.#scope.counter("delays_injected");
    this.rateLimits = this.#scope.counter("response_rl_injected");
    this.overflow = this.#scope.counter("faults_overflow");
    this.#active = this.#scope.gauge("active_faults");
    this.#counted = counted;
  }

  get active(): number {
    return Number(Atomics.load(this.#counted, 0));
  }

  begin(): void {
    Atomics.add(this.#counted, 0, 1n);
    this.#active.inc();
  }

  end(): void {
    Atomics.sub(this.#counted, 0, 1n);
    this.#active.dec();
  }

  /** Clients choose these names: those past the limit are not counted by themselves. */
  ofCluster(name: string): ClusterFaults | undefined {
    const known = this.#clusters.get(name);
    if (known !== undefined || this.#clusters.size >= clustersMax) return known;
    const cluster = {
      aborts: this.#scope.counter(`${name}.aborts_injected`),
      delays: this.#scope.counter(`${name}.delays_injected`),
    };
    this.#clusters.set(name, cluster);
    return cluster;
  }
}
