import { bucketCount, bucketOf } from "./histogram-buckets.ts";
import type { Counter, Gauge, Histogram, StatsScope } from "./stats.ts";

export type StatKind = "counter" | "gauge" | "histogram";

/** Where a stat's numbers are: chunk and offset in doubles. Histograms have a sum, then a count per bucket. */
export interface StatSlot {
  readonly name: string;
  readonly kind: StatKind;
  readonly chunk: number;
  readonly offset: number;
}

/** What is new in a worker's stats since its last announcement: plain data and shared memory. */
export interface Announcement {
  readonly slots: readonly StatSlot[];
  readonly chunks: readonly { readonly index: number; readonly memory: SharedArrayBuffer }[];
}

const chunkDoubles = 4096;
/** A number, and a mark that it was ever written. */
const cellDoubles = 2;
/** Names come from configuration and response codes; a leak of names must not become a leak of memory. */
const statsMax = 1_000_000;

class Cell implements Counter, Gauge {
  readonly name: string;
  readonly #memory: Float64Array;
  readonly #at: number;

  constructor(name: string, memory: Float64Array, at: number) {
    this.name = name;
    this.#memory = memory;
    this.#at = at;
  }

  inc(): void {
    (this.#memory[this.#at] as number) += 1;
    this.#memory[this.#at + 1] = 1;
  }

  dec(): void {
    (this.#memory[this.#at] as number) -= 1;
    this.#memory[this.#at + 1] = 1;
  }

  add(n: number): void {
    (this.#memory[this.#at] as number) += n;
    this.#memory[this.#at + 1] = 1;
  }

  set(n: number): void {
    this.#memory[this.#at] = n;
    this.#memory[this.#at + 1] = 1;
  }

  get value(): number {
    return this.#memory[this.#at] ?? 0;
  }
}

/** Its memory, about 7 KiB, is taken with the first value: most histograms of most clusters never get one. */
class HistogramCell implements Histogram {
  readonly name: string;
  readonly #take: () => Float64Array;
  #memory: Float64Array | undefined;

  constructor(name: string, take: () => Float64Array) {
    this.name = name;
    this.#take = take;
  }

  record(value: number): void {
    this.#memory ??= this.#take();
    // Envoy records whole milliseconds and bytes.
    const whole = Math.round(value);
    (this.#memory[0] as number) += whole;
    (this.#memory[1 + bucketOf(whole)] as number) += 1;
  }
}

/** One worker's stats, and its root scope. */
export class WorkerStats implements StatsScope {
  readonly #announce: (announcement: Announcement) => void;
  readonly #cells: Map<string, Cell> = new Map();
  readonly #histograms: Map<string, HistogramCell> = new Map();
  #memory: Float64Array = new Float64Array(0);
  #used = 0;
  #chunks = 0;
  #cellChunk = -1;
  #newSlots: StatSlot[] = [];
  #newChunks: { index: number; memory: SharedArrayBuffer }[] = [];
  #scheduled = false;
  readonly #overflow: Cell;

  constructor(announce: (announcement: Announcement) => void) {
    this.#announce = announce;
    this.#overflow = this.#cell("heddle.stats_dropped", "counter");
  }

  counter(name: string): Counter {
    return this.#cells.get(name) ?? this.#cell(name, "counter");
  }

  gauge(name: string): Gauge {
    return this.#cells.get(name) ?? this.#cell(name, "gauge");
  }

  histogram(name: string): Histogram {
    let histogram = this.#histograms.get(name);
    if (histogram === undefined) {
      histogram = new HistogramCell(name, () => this.#histogramMemory(name));
      this.#histograms.set(name, histogram);
    }
    return histogram;
  }

  scope(prefix: string): StatsScope {
    return new PrefixScope(this, prefix);
  }

  #cell(name: string, kind: StatKind): Cell {
    if (this.#cells.size >= statsMax) {
      this.#overflow.inc();
      return this.#overflow;
    }
    if (this.#used + cellDoubles > this.#memory.length) this.#newChunk(chunkDoubles);
    const cell = new Cell(name, this.#memory, this.#used);
    this.#cells.set(name, cell);
    this.#newSlots.push({ name, kind, chunk: this.#cellChunk, offset: this.#used });
    this.#used += cellDoubles;
    this.#schedule();
    return cell;
  }

  #histogramMemory(name: string): Float64Array {
    const memory = new Float64Array(
      new SharedArrayBuffer((1 + bucketCount) * Float64Array.BYTES_PER_ELEMENT),
    );
    this.#newChunks.push({ index: this.#chunks, memory: memory.buffer as SharedArrayBuffer });
    this.#newSlots.push({ name, kind: "histogram", chunk: this.#chunks, offset: 0 });
    this.#chunks++;
    this.#schedule();
    return memory;
  }

  #newChunk(doubles: number): void {
    const memory = new SharedArrayBuffer(doubles * Float64Array.BYTES_PER_ELEMENT);
    this.#memory = new Float64Array(memory);
    this.#used = 0;
    this.#cellChunk = this.#chunks++;
    this.#newChunks.push({ index: this.#cellChunk, memory });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Announce what is new now instead of at the end of the event. */
  flush(): void {
    this.#scheduled = false;
    if (this.#newSlots.length === 0) return;
    const announcement = { slots: this.#newSlots, chunks: this.#newChunks };
    this.#newSlots = [];
    this.#newChunks = [];
    this.#announce(announcement);
  }
}

class PrefixScope implements StatsScope {
  readonly #root: StatsScope;
  readonly #prefix: string;

  constructor(root: StatsScope, prefix: string) {
    this.#root = root;
    this.#prefix = prefix;
  }

  counter(name: string): Counter {
    return this.#root.counter(this.#prefix + name);
  }

  gauge(name: string): Gauge {
    return this.#root.gauge(this.#prefix + name);
  }

  histogram(name: string): Histogram {
    return this.#root.histogram(this.#prefix + name);
  }

  scope(prefix: string): StatsScope {
    return new PrefixScope(this.#root, this.#prefix + prefix);
  }
}
