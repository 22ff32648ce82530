import { assert } from "#lib/assert.ts";
import type { Collection, Computed, Fetch } from "./collection.ts";
import { Derived, valuesOf } from "./derived.ts";
import { Grouped } from "./grouped.ts";
import { type Reader, Values } from "./node.ts";

export interface DeriveOptions<I, O> {
  readonly name: string;
  readonly from: Collection<I>;
  /** Unique in the whole collection. */
  readonly keyOf: (output: O) => string;
  /** Pure: everything else that it reads goes through `fetch`. */
  readonly transform: (input: I, fetch: Fetch, key: string) => readonly O[];
  /** When an output is no other one than before; `same` when absent. Then the one that is there stays. */
  readonly same?: (a: O, b: O) => boolean;
}

export interface GroupOptions<T> {
  readonly name: string;
  readonly from: Collection<T>;
  /** The groups that a value belongs to. */
  readonly keysOf: (value: T) => readonly string[];
  /** The order within a group; of two members one always goes first, whichever came first. */
  readonly compare: (a: T, b: T) => number;
}

/** What is set from outside, inside of a transaction. */
export interface Source<T> {
  readonly collection: Collection<T>;
  set(key: string, value: T): void;
  delete(key: string): void;
}

/**
 * Collections that are computed from each other. After a change only that is computed again which read what has changed, in the order in
 * which the collections were made, so that each is computed once and never sees half of a change.
 */
export class Graph {
  readonly #publishers: (() => void)[] = [];
  /** By place; a source has none. */
  readonly #readers: Reader[] = [];
  #places = 0;
  #running = false;

  source<T>(name: string): Source<T> {
    const values = this.#add<T>(name);
    const write = (key: string, value: T | undefined): void => {
      assert(this.#running, `${name} is changed outside of a transaction`);
      values.put(key, value);
    };
    return {
      collection: values,
      set: (key, value) => write(key, value),
      delete: (key) => write(key, undefined),
    };
  }

  derive<I, O>(options: DeriveOptions<I, O>): Collection<O> {
    const { name, from, keyOf, transform } = options;
    const values = this.#add<O>(name, options.same);
    this.#readers.push(new Derived({ values, from: valuesOf(from), keyOf, transform }));
    return values;
  }

  group<T>({ name, from, keysOf, compare }: GroupOptions<T>): Collection<readonly T[]> {
    const values = this.#add<readonly T[]>(name);
    this.#readers.push(new Grouped({ values, from: valuesOf(from), keysOf, compare }));
    return values;
  }

  /** All values of several collections whose keys never meet. */
  union<T>(name: string, from: readonly Collection<T>[]): Collection<T> {
    const values = this.#add<T>(name);
    for (const source of from.map(valuesOf)) {
      source.follow((key) => values.put(key, source.get(key)));
      for (const [key, value] of source.snapshot()) values.put(key, value);
    }
    return values;
  }

  compute<T>(name: string, computation: (fetch: Fetch) => T): Computed<T> {
    const once = this.#add<true>(`${name}: once`);
    once.put("", true);
    const collection = this.derive({
      name,
      from: once,
      keyOf: () => "",
      transform: (_, fetch) => [{ value: computation(fetch) }],
    });
    return {
      collection,
      get() {
        const computed = collection.get("");
        assert(computed !== undefined, `${name} is read before it is computed`);
        return computed.value;
      },
    };
  }

  /** Runs the changes and everything that follows from them; then subscribers hear of it. */
  transact(changes: () => void): void {
    assert(!this.#running, "a transaction runs already");
    this.#running = true;
    try {
      changes();
      for (const reader of this.#readers) reader.run();
    } finally {
      this.#running = false;
    }
    for (const publish of this.#publishers) publish();
  }

  #add<T>(name: string, isSame?: (a: T, b: T) => boolean): Values<T> {
    assert(!this.#running, `${name} is made inside of a transaction`);
    const values = new Values<T>(name, this.#places++, isSame);
    this.#publishers.push(() => values.publish());
    return values;
  }
}
