import type { Services } from "../services.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";

/** How many subsets there are (all workers have the same, so the first one says it), and what picks come to. */
export class SubsetStats {
  readonly selected: Counter;
  readonly fallback: Counter;
  readonly fallbackPanic: Counter;
  readonly #active: Gauge;
  readonly #created: Counter;
  readonly #removed: Counter;
  readonly #duplicates: Gauge;
  readonly #counts: boolean;

  constructor(stats: StatsScope, { workerIndex }: Services) {
    this.selected = stats.counter("lb_subsets_selected");
    this.fallback = stats.counter("lb_subsets_fallback");
    this.fallbackPanic = stats.counter("lb_subsets_fallback_panic");
    this.#active = stats.gauge("lb_subsets_active");
    this.#created = stats.counter("lb_subsets_created");
    this.#removed = stats.counter("lb_subsets_removed");
    this.#duplicates = stats.gauge("lb_subsets_single_host_per_subset_duplicate");
    this.#counts = workerIndex === 0;
  }

  /** `duplicates`: hosts that are in no subset because each has one host. */
  count(
    before: ReadonlyMap<string, unknown>,
    now: ReadonlyMap<string, unknown>,
    duplicates: number,
  ): void {
    if (!this.#counts) return;
    this.#duplicates.set(duplicates);
    for (const text of now.keys()) if (!before.has(text)) this.#created.inc();
    for (const text of before.keys()) if (!now.has(text)) this.#removed.inc();
    this.#active.add(now.size - before.size);
  }
}
