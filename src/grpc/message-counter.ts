const prefixLength = 5;

/** Counts the messages of a body without keeping any of it (Length-Prefixed-Message). */
export class MessageCounter {
  count = 0;
  /** Octets of the prefix that have come. */
  #prefixRead = 0;
  #length = 0;
  /** Octets of the message still to come. */
  #bodyLeft = 0;

  /** Returns how many messages began in `chunk`. */
  feed(chunk: Uint8Array): number {
    const before = this.count;
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const skipped = Math.min(this.#bodyLeft, chunk.length - at);
        this.#bodyLeft -= skipped;
        at += skipped;
        continue;
      }
      if (this.#prefixRead === 0) this.#length = 0;
      else this.#length = this.#length * 256 + (chunk[at] as number);
      at++;
      if (++this.#prefixRead < prefixLength) continue;
      this.#prefixRead = 0;
      this.#bodyLeft = this.#length;
      this.count++;
    }
    return this.count - before;
  }
}
