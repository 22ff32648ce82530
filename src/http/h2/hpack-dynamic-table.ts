/** Octets that an entry counts beyond its name and value (RFC 7541 §4.1). */
export const entryOverhead = 32;

const slotsAtFirst = 16;

/** The decoder's dynamic table (RFC 7541 §2.3.2): a ring of names and values, grown as entries come. */
export class DynamicTable {
  #names: string[] = [];
  #values: string[] = [];
  /** Where the next entry goes. */
  #next = 0;
  #count = 0;
  #size = 0;
  #sizeMax: number;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get count(): number {
    return this.#count;
  }

  get size(): number {
    return this.#size;
  }

  get sizeMax(): number {
    return this.#sizeMax;
  }

  /** RFC 7541 §4.3. */
  setSizeMax(sizeMax: number): void {
    this.#sizeMax = sizeMax;
    this.#evict(sizeMax);
  }

  /** The place of the entry that is `age` entries older than the newest; -1: there is none. */
  slot(age: number): number {
    if (age < 0 || age >= this.#count) return -1;
    return (this.#next - 1 - age) & (this.#names.length - 1);
  }

  name(slot: number): string {
    // In range: `slot` gave it.
    return this.#names[slot] as string;
  }

  value(slot: number): string {
    return this.#values[slot] as string;
  }

  /** RFC 7541 §4.4: an entry larger than the table empties it and is not added. */
  add(name: string, value: string): void {
    const size = name.length + value.length + entryOverhead;
    this.#evict(this.#sizeMax - size);
    if (size > this.#sizeMax) return;
    if (this.#count === this.#names.length) this.#grow();
    this.#names[this.#next] = name;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) & (this.#names.length - 1);
    this.#count++;
    this.#size += size;
  }

  /** Drops the oldest until the rest is no larger than `room`. */
  #evict(room: number): void {
    while (this.#count > 0 && this.#size > room) {
      const oldest = this.slot(this.#count - 1);
      this.#size -= this.name(oldest).length + this.value(oldest).length + entryOverhead;
      // Not to keep what strangers sent longer than the protocol wants it.
      this.#names[oldest] = "";
      this.#values[oldest] = "";
      this.#count--;
    }
  }

  #grow(): void {
    const ordered = (ring: string[]) => ring.slice(this.#next).concat(ring.slice(0, this.#next));
    const room = new Array<string>(this.#count || slotsAtFirst).fill("");
    this.#names = ordered(this.#names).concat(room);
    this.#values = ordered(this.#values).concat(room);
    this.#next = this.#count;
  }
}
