import { assert } from "#lib/assert.ts";
import type { Cancel, Change, Collection } from "./collection.ts";
import { same } from "./same.ts";

/** Whoever computes again when a value changes. */
export interface Reader {
  /** Its place in the graph: it is computed after everything that it reads. */
  readonly place: number;
  /** What it computed from this input read something that has changed. */
  invalidate(input: string): void;
  run(): void;
}

/** Which inputs of which reader have read something. */
class Readers {
  readonly #inputs: Map<Reader, Set<string>> = new Map();

  get empty(): boolean {
    return this.#inputs.size === 0;
  }

  add(reader: Reader, input: string): void {
    this.#inputs.getOrInsertComputed(reader, () => new Set()).add(input);
  }

  remove(reader: Reader, input: string): void {
    const inputs = this.#inputs.get(reader);
    inputs?.delete(input);
    if (inputs?.size === 0) this.#inputs.delete(reader);
  }

  invalidate(): void {
    for (const [reader, inputs] of this.#inputs) {
      for (const input of inputs) reader.invalidate(input);
    }
  }
}

/** A collection's values and who has read them. */
export class Values<T> implements Collection<T> {
  readonly name: string;
  readonly place: number;
  #values: Map<string, T> = new Map();
  /** Somebody holds the map: it is copied before the next change. */
  #shared = false;
  #list: readonly T[] | undefined;
  readonly #followers: ((key: string) => void)[] = [];
  readonly #keyReaders: Map<string, Readers> = new Map();
  readonly #listReaders: Readers = new Readers();
  readonly #subscribers: Set<(batch: readonly Change<T>[]) => void> = new Set();
  /** Of the transaction that runs: the value before it. */
  readonly #changed: Map<string, T | undefined> = new Map();

  readonly #same: (a: T, b: T) => boolean;

  constructor(name: string, place: number, isSame: (a: T, b: T) => boolean = same) {
    this.name = name;
    this.place = place;
    this.#same = isSame;
  }

  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  list(): readonly T[] {
    this.#list ??= [...this.#values.values()];
    return this.#list;
  }

  snapshot(): ReadonlyMap<string, T> {
    this.#shared = true;
    return this.#values;
  }

  subscribe(onBatch: (batch: readonly Change<T>[]) => void): Cancel {
    this.#subscribers.add(onBatch);
    return () => this.#subscribers.delete(onBatch);
  }

  /** A collection that is computed from this one, input by input. */
  follow(onKey: (key: string) => void): void {
    this.#followers.push(onKey);
  }

  readKey(key: string, reader: Reader, input: string): T | undefined {
    assert(this.place < reader.place, `${this.name} is read before it is computed`);
    this.#keyReaders.getOrInsertComputed(key, () => new Readers()).add(reader, input);
    return this.get(key);
  }

  readList(reader: Reader, input: string): readonly T[] {
    assert(this.place < reader.place, `${this.name} is read before it is computed`);
    this.#listReaders.add(reader, input);
    return this.list();
  }

  forgetKey(key: string, reader: Reader, input: string): void {
    const readers = this.#keyReaders.get(key);
    readers?.remove(reader, input);
    if (readers?.empty) this.#keyReaders.delete(key);
  }

  forgetList(reader: Reader, input: string): void {
    this.#listReaders.remove(reader, input);
  }

  /** Undefined removes. A value that equals the one that is there is dropped, and nobody hears of it. */
  put(key: string, next: T | undefined): void {
    const before = this.#values.get(key);
    if (this.#equal(before, next)) return;
    // There and back again within a transaction: it is the very object that it was.
    const atFirst = this.#changed.get(key);
    const value = atFirst !== undefined && this.#equal(atFirst, next) ? atFirst : next;
    if (this.#shared) {
      this.#values = new Map(this.#values);
      this.#shared = false;
    }
    if (!this.#changed.has(key)) this.#changed.set(key, before);
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    this.#list = undefined;
    for (const onKey of this.#followers) onKey(key);
    this.#keyReaders.get(key)?.invalidate();
    this.#listReaders.invalidate();
  }

  #equal(a: T | undefined, b: T | undefined): boolean {
    return a === b || (a !== undefined && b !== undefined && this.#same(a, b));
  }

  /** Ends the transaction: tells subscribers, once each, what came of it. */
  publish(): readonly Change<T>[] {
    if (this.#changed.size === 0) return [];
    const batch: Change<T>[] = [];
    for (const [key, before] of this.#changed) {
      const after = this.#values.get(key);
      if (before !== after) batch.push({ key, before, after });
    }
    this.#changed.clear();
    if (batch.length > 0) for (const onBatch of this.#subscribers) onBatch(batch);
    return batch;
  }
}
