const blockBytes = 16_384;
const nothing = new Uint8Array(0);

/** Copies of bytes in order. Small ones share a block, so that a peer who sends single bytes does not cost an object for each. */
export class ByteQueue {
  readonly #blocks: Uint8Array[] = [];
  /** Read in the first block, written in the last. */
  #start = 0;
  #end = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      let last = this.#blocks[this.#blocks.length - 1];
      if (last === undefined || this.#end === last.length) {
        last = new Uint8Array(Math.max(blockBytes, bytes.length - from));
        this.#blocks.push(last);
        this.#end = 0;
      }
      const count = Math.min(last.length - this.#end, bytes.length - from);
      last.set(bytes.subarray(from, from + count), this.#end);
      this.#end += count;
      from += count;
    }
    this.#size += bytes.length;
  }

  /** The next bytes, at most so many and at least one; empty when there are none. Nothing writes to them any more. */
  take(max: number): Uint8Array {
    const first = this.#blocks[0];
    if (first === undefined || max <= 0) return nothing;
    const written = this.#blocks.length === 1 ? this.#end : first.length;
    const piece = first.subarray(this.#start, Math.min(written, this.#start + max));
    this.#start += piece.length;
    this.#size -= piece.length;
    if (this.#size === 0) this.clear();
    else if (this.#start === first.length) {
      this.#blocks.shift();
      this.#start = 0;
    }
    return piece;
  }

  clear(): void {
    this.#blocks.length = 0;
    this.#start = 0;
    this.#end = 0;
    this.#size = 0;
  }
}
