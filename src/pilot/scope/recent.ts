/** The values that were used last, up to a limit: what is made again only costs time. */
export class Recent<V> {
  readonly #entriesMax: number;
  readonly #values: Map<string, V> = new Map();

  constructor({ entriesMax }: { readonly entriesMax: number }) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: V): V {
    // A map keeps the order of insertion: the first is the one that was not used for longest.
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.#entriesMax) {
      const [oldest] = this.#values.keys();
      if (oldest !== undefined) this.#values.delete(oldest);
    }
    return value;
  }
}
