import type { Clock } from "#lib/clock.ts";
import { type Buckets, countOf, difference, type HistogramValue } from "./histogram.ts";
import { bucketsPerDecade } from "./histogram-buckets.ts";
import type { StatsScope } from "./stats.ts";
import {
  type Announcement,
  neverWritten,
  type StatSlot,
  WorkerStats,
  type WorkerStatsOptions,
} from "./worker-stats.ts";

export interface StatValue {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly value: number;
  /** Ever written. */
  readonly used: boolean;
}

interface Place {
  readonly memory: Float64Array;
  readonly offset: number;
}

/** A counter or a gauge: what all its writers have written. */
class Sum {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly #places: Place[] = [];
  /** Subtracted since /reset_counters: the cells belong to their writers. */
  #baseline = 0;

  constructor(name: string, kind: "counter" | "gauge") {
    this.name = name;
    this.kind = kind;
  }

  add(place: Place): void {
    this.#places.push(place);
  }

  value(): StatValue {
    let sum = neverWritten;
    for (const { memory, offset } of this.#places) sum += memory[offset] ?? 0;
    const used = !Object.is(sum, neverWritten);
    return { name: this.name, kind: this.kind, value: sum - this.#baseline + 0, used };
  }

  reset(): void {
    this.#baseline += this.value().value;
  }
}

/** A histogram of all its writers, and its state at the last two ends of a flush interval. */
class Merged {
  readonly name: string;
  readonly #heads: Place[] = [];
  readonly #decades: (Place & { readonly decade: number })[] = [];
  #flushed: Buckets = [];
  #flushedCount = 0;
  #interval: Buckets = [];

  constructor(name: string) {
    this.name = name;
  }

  add(place: Place, decade: number | undefined): void {
    if (decade === undefined) this.#heads.push(place);
    else this.#decades.push({ ...place, decade });
  }

  value(): HistogramValue {
    return {
      name: this.name,
      sum: this.#total(0),
      count: this.#total(1),
      buckets: this.#buckets(),
      interval: this.#interval,
    };
  }

  /** The end of a flush interval. */
  flush(): void {
    const count = this.#total(1);
    if (count === this.#flushedCount) {
      this.#interval = [];
      return;
    }
    const buckets = this.#buckets();
    this.#interval = difference(buckets, this.#flushed);
    this.#flushed = buckets;
    // Of what was read: a decade that is still being announced comes with the next interval.
    this.#flushedCount = countOf(buckets);
  }

  #total(index: number): number {
    let sum = 0;
    for (const { memory, offset } of this.#heads) sum += memory[offset + index] ?? 0;
    return sum;
  }

  #buckets(): Buckets {
    const counts = new Map<number, number>();
    const zeros = this.#total(2);
    if (zeros > 0) counts.set(0, zeros);
    for (const { memory, offset, decade } of this.#decades) {
      for (let i = 0; i < bucketsPerDecade; i++) {
        const hits = memory[offset + i] ?? 0;
        if (hits === 0) continue;
        const bucket = 1 + decade * bucketsPerDecade + i;
        counts.set(bucket, (counts.get(bucket) ?? 0) + hits);
      }
    }
    return [...counts].sort(([a], [b]) => a - b);
  }
}

/** Stats of one kind by name; in name order when asked for. */
class Named<T extends { readonly name: string }> {
  readonly #byName: Map<string, T> = new Map();
  #sorted: readonly T[] | undefined;

  getOrAdd(name: string, make: () => T): T {
    let item = this.#byName.get(name);
    if (item === undefined) {
      item = make();
      this.#byName.set(name, item);
      this.#sorted = undefined;
    }
    return item;
  }

  get(name: string): T | undefined {
    return this.#byName.get(name);
  }

  get sorted(): readonly T[] {
    this.#sorted ??= [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }
}

/**
 * All workers' stats and the main thread's own, by name: counters, gauges and histograms are added up. Reads shared memory; nobody is
 * asked. It holds as many names as the workers announce, which is what their limit bounds.
 */
export class MainStats {
  /** The main thread's own scope. */
  readonly own: StatsScope;
  readonly #own: WorkerStats;
  readonly #counters: Named<Sum> = new Named();
  readonly #gauges: Named<Sum> = new Named();
  readonly #histograms: Named<Merged> = new Named();
  readonly #chunks: Map<string, Float64Array> = new Map();

  constructor(options: WorkerStatsOptions = {}) {
    this.#own = new WorkerStats((announcement) => this.addWorker(-1, announcement), options);
    this.own = this.#own;
  }

  addWorker(worker: number, announcement: Announcement): void {
    for (const { index, memory } of announcement.chunks) {
      this.#chunks.set(`${worker}/${index}`, new Float64Array(memory));
    }
    for (const slot of announcement.slots) this.#addSlot(worker, slot);
  }

  #addSlot(worker: number, { name, kind, chunk, offset, decade }: StatSlot): void {
    const memory = this.#chunks.get(`${worker}/${chunk}`);
    if (memory === undefined) return;
    const place = { memory, offset };
    if (kind === "histogram") {
      this.#histograms.getOrAdd(name, () => new Merged(name)).add(place, decade);
    } else {
      const sums = kind === "counter" ? this.#counters : this.#gauges;
      sums.getOrAdd(name, () => new Sum(name, kind)).add(place);
    }
  }

  /** Some worker has written it. */
  counterUsed(name: string): boolean {
    return this.#counters.get(name)?.value().used === true;
  }

  /** In name order. */
  counters(): StatValue[] {
    this.#own.flush();
    return this.#counters.sorted.map((counter) => counter.value());
  }

  /** In name order. */
  gauges(): StatValue[] {
    this.#own.flush();
    return this.#gauges.sorted.map((gauge) => gauge.value());
  }

  /** In name order. */
  histograms(): HistogramValue[] {
    this.#own.flush();
    return this.#histograms.sorted.map((histogram) => histogram.value());
  }

  resetCounters(): void {
    this.#own.flush();
    for (const counter of this.#counters.sorted) counter.reset();
  }

  /** The end of a flush interval: what histograms show as their interval is what came since the last one. */
  flushInterval(): void {
    for (const histogram of this.#histograms.sorted) histogram.flush();
  }

  /** stats_flush_interval. Whoever shows intervals starts this, so that nobody else pays for it. */
  startIntervals(clock: Clock, intervalMs: number): { stop(): void } {
    let timer = clock.after(intervalMs, next);
    const stats = this;
    function next(): void {
      stats.flushInterval();
      timer = clock.after(intervalMs, next);
    }
    return { stop: () => timer.cancel() };
  }
}
