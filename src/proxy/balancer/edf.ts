/**
 * Earliest deadline first: each pick takes the entry with the nearest deadline and moves it 1/weight further. A binary
 * heap of indices over parallel arrays; a pick allocates nothing.
 */
export class EdfScheduler<T> {
  readonly #entries: readonly T[];
  readonly #weight: (entry: T) => number;
  /** The heap: indices into `#entries`. */
  readonly #heap: Uint32Array;
  /** By index of the entry. */
  readonly #deadlines: Float64Array;
  /** Breaks ties in the order in which entries were put in. */
  readonly #orders: Float64Array;
  #order = 0;

  /** `skip`: picks that are thrown away, so that equal schedules in many proxies do not begin with the same host. */
  constructor(
    entries: readonly T[],
    { weight, skip }: { readonly weight: (entry: T) => number; readonly skip: number },
  ) {
    this.#entries = entries;
    this.#weight = weight;
    this.#heap = new Uint32Array(entries.length);
    this.#deadlines = new Float64Array(entries.length);
    this.#orders = new Float64Array(entries.length);
    for (const [index, entry] of entries.entries()) {
      this.#heap[index] = index;
      this.#deadlines[index] = this.#step(entry);
      this.#orders[index] = this.#order++;
    }
    for (let at = (entries.length >> 1) - 1; at >= 0; at--) this.#sink(at);
    for (let i = 0; i < skip; i++) this.next();
  }

  next(): T | undefined {
    const index = this.#heap[0];
    if (index === undefined) return undefined;
    const entry = this.#entries[index];
    if (entry === undefined) return undefined;
    this.#deadlines[index] = (this.#deadlines[index] ?? 0) + this.#step(entry);
    this.#orders[index] = this.#order++;
    this.#sink(0);
    return entry;
  }

  #step(entry: T): number {
    return 1 / Math.max(this.#weight(entry), weightMin);
  }

  #before(a: number, b: number): boolean {
    const first = this.#deadlines[a] ?? 0;
    const second = this.#deadlines[b] ?? 0;
    return first < second || (first === second && (this.#orders[a] ?? 0) < (this.#orders[b] ?? 0));
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const sinking = heap[from] ?? 0;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] ?? 0, heap[child] ?? 0)) child++;
      const candidate = heap[child] ?? 0;
      if (!this.#before(candidate, sinking)) break;
      heap[at] = candidate;
      at = child;
    }
    heap[at] = sinking;
  }
}

/** Envoy's floor: a weight that active requests push towards zero must not become an endless deadline. */
const weightMin = 1e-9;
