const slotsMin = 16;
/** A table of this many slots is not worth making smaller: streams come in waves. */
const slotsKept = 256;

/**
 * Streams by id. Not a Map: V8's leaves its outgrown tables linked to their successors, and once one of them has been promoted, every
 * stream since then outlives its scavenges; with streams that come and go by the hundred thousand that was a third of the proxy's time.
 * Open addressing with linear probing.
 */
export class StreamTable<T> {
  #ids: Int32Array = new Int32Array(slotsMin);
  #streams: (T | undefined)[] = new Array<T | undefined>(slotsMin).fill(undefined);
  #mask = slotsMin - 1;
  /** Those not in the slot their id asks for. Streams begin in the order of their ids, so that there are hardly ever any. */
  #displaced = 0;
  size = 0;

  get(id: number): T | undefined {
    return this.#streams[this.#find(id)];
  }

  /** `id` is above 0. */
  set(id: number, stream: T): void {
    if (this.size * 2 > this.#mask) this.#resize((this.#mask + 1) * 2);
    const at = this.#find(id);
    if (this.#ids[at] !== id) {
      this.size++;
      if (at !== ((id >> 1) & this.#mask)) this.#displaced++;
    }
    this.#ids[at] = id;
    this.#streams[at] = stream;
  }

  delete(id: number): boolean {
    const at = this.#find(id);
    if (this.#ids[at] !== id) return false;
    this.size--;
    if (at !== ((id >> 1) & this.#mask)) this.#displaced--;
    if (this.#displaced > 0) this.#close(at);
    else {
      this.#ids[at] = 0;
      this.#streams[at] = undefined;
    }
    if (this.size * 8 < this.#mask && this.#mask >= slotsKept) this.#resize((this.#mask + 1) / 2);
    return true;
  }

  /** A copy, so that streams may come and go while it is walked. */
  values(): T[] {
    return this.#streams.filter((stream) => stream !== undefined);
  }

  /** Where `id` is, or the free slot where it would be. Ids of one side have the same parity: the lowest bit says nothing. */
  #find(id: number): number {
    const ids = this.#ids;
    const mask = this.#mask;
    let at = (id >> 1) & mask;
    while (ids[at] !== id && ids[at] !== 0) at = (at + 1) & mask;
    return at;
  }

  /** Free a slot, and move back what stood behind it only because it was taken. */
  #close(free: number): void {
    const ids = this.#ids;
    const streams = this.#streams;
    const mask = this.#mask;
    let hole = free;
    for (let at = (hole + 1) & mask; ids[at] !== 0; at = (at + 1) & mask) {
      const home = ((ids[at] as number) >> 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      if (home === hole) this.#displaced--;
      ids[hole] = ids[at] as number;
      streams[hole] = streams[at];
      hole = at;
    }
    ids[hole] = 0;
    streams[hole] = undefined;
  }

  #resize(slots: number): void {
    const ids = this.#ids;
    const streams = this.#streams;
    this.#ids = new Int32Array(slots);
    this.#streams = new Array<T | undefined>(slots).fill(undefined);
    this.#mask = slots - 1;
    this.#displaced = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number;
      if (id === 0) continue;
      const at = this.#find(id);
      if (at !== ((id >> 1) & this.#mask)) this.#displaced++;
      this.#ids[at] = id;
      this.#streams[at] = streams[i];
    }
  }
}
