import { bucketBounds, bucketCount } from "./histogram-buckets.ts";
import type { StatsScope } from "./stats.ts";
import { type Announcement, type StatKind, type StatSlot, WorkerStats } from "./worker-stats.ts";

export interface StatValue {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly value: number;
  /** Ever written. */
  readonly used: boolean;
}

export interface HistogramValue {
  readonly name: string;
  readonly count: number;
  readonly sum: number;
  /** Counts by bucket of histogram-buckets.ts. */
  readonly buckets: Float64Array;
}

interface Place {
  readonly memory: Float64Array;
  readonly offset: number;
}

interface Entry {
  readonly kind: StatKind;
  readonly places: Place[];
}

/** All workers' stats and the main thread's own, by name. Reads shared memory; nobody is asked. */
export class MainStats {
  /** The main thread's own scope. */
  readonly own: StatsScope;
  readonly #own: WorkerStats;
  readonly #entries: Map<string, Entry> = new Map();
  readonly #chunks: Map<string, Float64Array> = new Map();
  /** Subtracted from counters since /reset_counters: the cells belong to their writers. */
  readonly #baselines: Map<string, number> = new Map();

  constructor() {
    this.#own = new WorkerStats((announcement) => this.addWorker(-1, announcement));
    this.own = this.#own;
  }

  addWorker(worker: number, announcement: Announcement): void {
    for (const { index, memory } of announcement.chunks)
      this.#chunks.set(`${worker}/${index}`, new Float64Array(memory));
    for (const slot of announcement.slots) this.#addSlot(worker, slot);
  }

  #addSlot(worker: number, slot: StatSlot): void {
    const memory = this.#chunks.get(`${worker}/${slot.chunk}`);
    if (memory === undefined) return;
    const entry = this.#entries.get(slot.name) ?? { kind: slot.kind, places: [] };
    this.#entries.set(slot.name, entry);
    entry.places.push({ memory, offset: slot.offset });
  }

  /** Counters and gauges in name order. */
  values(): StatValue[] {
    this.#own.flush();
    const values: StatValue[] = [];
    for (const [name, { kind, places }] of this.#entries) {
      if (kind === "histogram") continue;
      let value = 0;
      let used = false;
      for (const { memory, offset } of places) {
        value += memory[offset] ?? 0;
        used ||= memory[offset + 1] === 1;
      }
      values.push({ name, kind, value: value - (this.#baselines.get(name) ?? 0), used });
    }
    return values.sort(byName);
  }

  histograms(): HistogramValue[] {
    const values: HistogramValue[] = [];
    for (const [name, { kind, places }] of this.#entries) {
      if (kind !== "histogram") continue;
      const buckets = new Float64Array(bucketCount);
      let sum = 0;
      let count = 0;
      for (const { memory, offset } of places) {
        sum += memory[offset] ?? 0;
        for (let i = 0; i < bucketCount; i++) {
          const hits = memory[offset + 1 + i] ?? 0;
          buckets[i] = (buckets[i] ?? 0) + hits;
          count += hits;
        }
      }
      values.push({ name, count, sum, buckets });
    }
    return values.sort(byName);
  }

  resetCounters(): void {
    for (const { name, kind, value } of this.values()) {
      if (kind === "counter") this.#baselines.set(name, (this.#baselines.get(name) ?? 0) + value);
    }
  }
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** The value below which `percent` of the recorded ones lie, interpolated within its bucket. NaN without values. */
export function quantile(histogram: HistogramValue, percent: number): number {
  if (histogram.count === 0) return Number.NaN;
  const wanted = (percent / 100) * histogram.count;
  let seen = 0;
  for (let i = 0; i < bucketCount; i++) {
    const hits = histogram.buckets[i] ?? 0;
    if (hits === 0) continue;
    const [lower, upper] = bucketBounds(i);
    if (seen + hits >= wanted) return lower + ((upper - lower) * Math.max(0, wanted - seen)) / hits;
    seen += hits;
  }
  return Number.NaN;
}
