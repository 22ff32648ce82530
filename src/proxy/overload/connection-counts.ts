/** Of all listeners. */
const accepted = 0;
/** Of those listeners that the limit of the overload manager holds for. */
const limited = 1;
const firstListener = 2;

/**
 * Open downstream connections of the whole process. Adding and looking is one step, so a limit is exact over all workers; a connection costs an
 * atomic addition for each count it is in, and as many when it closes.
 */
export class ConnectionCounts {
  readonly #cells: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory);
  }

  static allocate(listeners: number): SharedArrayBuffer {
    return new SharedArrayBuffer((firstListener + listeners) * Int32Array.BYTES_PER_ELEMENT);
  }

  get accepted(): Count {
    return new Count(this.#cells, accepted);
  }

  get limited(): Count {
    return new Count(this.#cells, limited);
  }

  /** By its index in the bootstrap. */
  listener(index: number): Count {
    return new Count(this.#cells, firstListener + index);
  }
}

/** One of the counts. */
export class Count {
  readonly #cells: Int32Array;
  readonly #cell: number;

  constructor(cells: Int32Array, cell: number) {
    this.#cells = cells;
    this.#cell = cell;
  }

  /** Of a listener that came later: the count has memory of its own. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  }

  static of(memory: SharedArrayBuffer): Count {
    return new Count(new Int32Array(memory), 0);
  }

  get value(): number {
    return Atomics.load(this.#cells, this.#cell);
  }

  add(): void {
    Atomics.add(this.#cells, this.#cell, 1);
  }

  /** One more, unless that is more than `max`. */
  addWithin(max: number): boolean {
    if (Atomics.add(this.#cells, this.#cell, 1) < max) return true;
    this.subtract();
    return false;
  }

  subtract(): void {
    Atomics.sub(this.#cells, this.#cell, 1);
  }
}
