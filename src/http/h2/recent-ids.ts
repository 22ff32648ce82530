const remembered = 256;

/**
 * The streams that we reset or passed over last: their peer may not know yet, and what it still sends for them is ignored (RFC 9113
 * §5.1, §6.8). Older ones are taken for such too, since nothing tells them any more from streams that ended well.
 */
export class RecentIds {
  #ids: Int32Array | undefined = undefined;
  #added = 0;
  #forgottenMax = 0;

  add(id: number): void {
    this.#ids ??= new Int32Array(remembered);
    const place = this.#added++ % remembered;
    // In range.
    const old = this.#ids[place] as number;
    if (old > this.#forgottenMax) this.#forgottenMax = old;
    this.#ids[place] = id;
  }

  has(id: number): boolean {
    return id <= this.#forgottenMax || (this.#ids?.includes(id) ?? false);
  }
}
