import { bucketsPerDecade, decadeCount, placeInDecade } from "./histogram-buckets.ts";
import type { Counter, Gauge, Histogram, StatsScope } from "./stats.ts";

export type StatKind = "counter" | "gauge" | "histogram";

/**
 * Where a stat's numbers are: chunk and offset in doubles. A counter or gauge is one double. A histogram is announced with its head
 * (sum, count, zeros), and again with each decade of buckets that it comes to need.
 */
export interface StatSlot {
  readonly name: string;
  readonly kind: StatKind;
  readonly chunk: number;
  readonly offset: number;
  readonly decade?: number;
}

/** What is new in a worker's stats since its last announcement: plain data and shared memory. */
export interface Announcement {
  readonly slots: readonly StatSlot[];
  readonly chunks: readonly { readonly index: number; readonly memory: SharedArrayBuffer }[];
}

export interface WorkerStatsOptions {
  /** stats_config.stats_matcher: a name that is not accepted counts for nobody and is never shown. */
  readonly accepts?: ((name: string) => boolean) | undefined;
  /**
   * Names come from configuration and from response codes, so there are about 110 a cluster and 80 a connection manager. What is
   * over the limit is counted in `heddle.stats_dropped` and works, but is not shown.
   */
  readonly namesMax?: number | undefined;
}

const chunkDoubles = 2048;
const namesMaxDefault = 1_000_000;
const histogramHeadDoubles = 3;

/**
 * A cell that was never written holds -0. Every write makes it something else (-0 + 0 is +0), so `usedonly` costs the data path no
 * second store.
 */
export const neverWritten: number = -0;

interface Place {
  readonly memory: Float64Array;
  readonly offset: number;
}

class Cell implements Counter, Gauge {
  readonly name: string;
  readonly #memory: Float64Array;
  readonly #at: number;

  constructor(name: string, { memory, offset }: Place) {
    this.name = name;
    this.#memory = memory;
    this.#at = offset;
    memory[offset] = neverWritten;
  }

  inc(): void {
    // Proof of the casts: `#at` is inside `#memory`, which never shrinks.
    (this.#memory[this.#at] as number) += 1;
  }

  dec(): void {
    (this.#memory[this.#at] as number) -= 1;
  }

  add(n: number): void {
    (this.#memory[this.#at] as number) += n;
  }

  set(n: number): void {
    // -0 + 0 is 0: a set value is always a written one.
    this.#memory[this.#at] = n + 0;
  }

  get value(): number {
    return (this.#memory[this.#at] ?? 0) + 0;
  }
}

class HistogramCell implements Histogram {
  readonly name: string;
  readonly #head: Float64Array;
  readonly #at: number;
  /** 720 bytes each, taken when a value needs it: most histograms only ever see two decades. */
  readonly #decades: (Float64Array | undefined)[] = new Array(decadeCount).fill(undefined);
  readonly #take: (decade: number) => Place;

  constructor(name: string, head: Place, take: (decade: number) => Place) {
    this.name = name;
    this.#head = head.memory;
    this.#at = head.offset;
    this.#take = take;
  }

  record(value: number): void {
    // Envoy records whole milliseconds and bytes. NaN would poison the sum: it counts as zero.
    const whole = value >= 0.5 ? Math.round(value) : 0;
    const head = this.#head;
    const at = this.#at;
    (head[at] as number) += whole;
    (head[at + 1] as number) += 1;
    if (whole === 0) {
      (head[at + 2] as number) += 1;
      return;
    }
    let decade = 0;
    let power = 1;
    while (whole >= power * 10 && decade < decadeCount - 1) {
      power *= 10;
      decade++;
    }
    const cells = this.#decades[decade] ?? this.#grow(decade);
    (cells[placeInDecade(whole, power)] as number) += 1;
  }

  #grow(decade: number): Float64Array {
    const { memory, offset } = this.#take(decade);
    const cells = memory.subarray(offset, offset + bucketsPerDecade);
    this.#decades[decade] = cells;
    return cells;
  }
}

/** Slots in chunks of shared memory. One writer: the worker whose stats they are. */
class SlotMemory {
  readonly #announce: (announcement: Announcement) => void;
  #chunk: Float64Array = new Float64Array(0);
  #used = 0;
  #chunks = 0;
  #newSlots: StatSlot[] = [];
  #newChunks: { index: number; memory: SharedArrayBuffer }[] = [];
  #scheduled = false;

  constructor(announce: (announcement: Announcement) => void) {
    this.#announce = announce;
  }

  take(doubles: number, slot: Pick<StatSlot, "name" | "kind" | "decade">): Place {
    if (this.#used + doubles > this.#chunk.length) this.#newChunk();
    const offset = this.#used;
    this.#used += doubles;
    this.#newSlots.push({ ...slot, chunk: this.#chunks - 1, offset });
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.flush());
    }
    return { memory: this.#chunk, offset };
  }

  #newChunk(): void {
    const memory = new SharedArrayBuffer(chunkDoubles * Float64Array.BYTES_PER_ELEMENT);
    this.#chunk = new Float64Array(memory);
    this.#used = 0;
    this.#newChunks.push({ index: this.#chunks++, memory });
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#newSlots.length === 0) return;
    const announcement = { slots: this.#newSlots, chunks: this.#newChunks };
    this.#newSlots = [];
    this.#newChunks = [];
    this.#announce(announcement);
  }
}

/** One worker's stats, and its root scope. */
export class WorkerStats implements StatsScope {
  readonly #memory: SlotMemory;
  readonly #counters: Map<string, Cell> = new Map();
  readonly #gauges: Map<string, Cell> = new Map();
  readonly #histograms: Map<string, HistogramCell> = new Map();
  readonly #accepts: (name: string) => boolean;
  readonly #namesMax: number;
  readonly #dropped: Cell;

  constructor(announce: (announcement: Announcement) => void, options: WorkerStatsOptions = {}) {
    this.#memory = new SlotMemory(announce);
    this.#accepts = options.accepts ?? (() => true);
    this.#namesMax = options.namesMax ?? namesMaxDefault;
    this.#dropped = new Cell(
      "heddle.stats_dropped",
      this.#memory.take(1, { name: "heddle.stats_dropped", kind: "counter" }),
    );
  }

  counter(name: string): Counter {
    return this.#counters.get(name) ?? this.#cell(name, "counter", this.#counters);
  }

  gauge(name: string): Gauge {
    return this.#gauges.get(name) ?? this.#cell(name, "gauge", this.#gauges);
  }

  histogram(name: string): Histogram {
    return this.#histograms.get(name) ?? this.#histogram(name);
  }

  scope(prefix: string): StatsScope {
    return new PrefixScope(this, prefix);
  }

  /** Announce what is new now instead of at the end of the event. */
  flush(): void {
    this.#memory.flush();
  }

  #cell(name: string, kind: "counter" | "gauge", cells: Map<string, Cell>): Cell {
    // Unseen cells work for their holders: breakers read their own gauges. They are not kept, so names cannot pile up.
    if (!this.#isShown(name)) return new Cell(name, unseen(1));
    const cell = new Cell(name, this.#memory.take(1, { name, kind }));
    cells.set(name, cell);
    return cell;
  }

  #histogram(name: string): HistogramCell {
    if (!this.#isShown(name)) {
      const nowhere = unseen(bucketsPerDecade);
      return new HistogramCell(name, nowhere, () => nowhere);
    }
    const head = this.#memory.take(histogramHeadDoubles, { name, kind: "histogram" });
    const histogram = new HistogramCell(name, head, (decade) =>
      this.#memory.take(bucketsPerDecade, { name, kind: "histogram", decade }),
    );
    this.#histograms.set(name, histogram);
    return histogram;
  }

  #isShown(name: string): boolean {
    if (!this.#accepts(name)) return false;
    const names = this.#counters.size + this.#gauges.size + this.#histograms.size;
    if (names < this.#namesMax) return true;
    this.#dropped.inc();
    return false;
  }
}

function unseen(doubles: number): Place {
  return { memory: new Float64Array(doubles), offset: 0 };
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
