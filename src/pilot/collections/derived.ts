import { assert } from "#lib/assert.ts";
import type { Collection, Computed, Fetch } from "./collection.ts";
import { type Reader, Values } from "./node.ts";

/** The only maker of collections is the graph, and it makes these. */
export function valuesOf<T>(collection: Collection<T>): Values<T> {
  assert(collection instanceof Values, `${collection.name} is not of a graph`);
  return collection;
}

interface Read {
  readonly of: Values<unknown>;
  /** Undefined: all of it. */
  readonly key: string | undefined;
}

/** Remembers what the computation of one input reads. */
class Recorder implements Fetch {
  readonly reads: Read[] = [];
  readonly #reader: Reader;
  readonly #input: string;

  constructor(reader: Reader, input: string) {
    this.#reader = reader;
    this.#input = input;
  }

  get<T>(from: Collection<T>, key: string): T | undefined {
    const of = valuesOf(from);
    // Only to be forgotten by.
    this.reads.push({ of: of as Values<unknown>, key });
    return of.readKey(key, this.#reader, this.#input);
  }

  list<T>(from: Collection<T>): readonly T[] {
    const of = valuesOf(from);
    this.reads.push({ of: of as Values<unknown>, key: undefined });
    return of.readList(this.#reader, this.#input);
  }

  value<T>(from: Computed<T>): T {
    this.get(from.collection, "");
    return from.get();
  }
}

export interface DerivedOptions<I, O> {
  readonly values: Values<O>;
  readonly from: Values<I>;
  readonly keyOf: (output: O) => string;
  readonly transform: (input: I, fetch: Fetch, key: string) => readonly O[];
}

/** Computes the outputs of each input, again when the input or something that it read has changed. */
export class Derived<I, O> implements Reader {
  readonly place: number;
  readonly #options: DerivedOptions<I, O>;
  readonly #dirty: Set<string> = new Set();
  /** Of each input: what it read, and the keys of what it became. */
  readonly #done: Map<
    string,
    { readonly reads: readonly Read[]; readonly keys: readonly string[] }
  > = new Map();
  /** Of each output: the input that it came from. */
  readonly #owners: Map<string, string> = new Map();

  constructor(options: DerivedOptions<I, O>) {
    this.#options = options;
    this.place = options.values.place;
    options.from.follow((key) => this.#dirty.add(key));
    for (const key of options.from.snapshot().keys()) this.#dirty.add(key);
    this.run();
  }

  invalidate(input: string): void {
    this.#dirty.add(input);
  }

  run(): void {
    if (this.#dirty.size === 0) return;
    const outputs = new Map<string, O>();
    const gone: string[] = [];
    for (const input of this.#dirty) gone.push(...this.#forget(input));
    for (const input of this.#dirty) {
      for (const [key, output] of this.#compute(input)) outputs.set(key, output);
    }
    this.#dirty.clear();
    // Removed only now: an output may have moved from one input to another.
    for (const key of gone) if (!outputs.has(key)) this.#options.values.put(key, undefined);
    for (const [key, output] of outputs) this.#options.values.put(key, output);
  }

  #forget(input: string): readonly string[] {
    const done = this.#done.get(input);
    if (done === undefined) return [];
    this.#done.delete(input);
    for (const { of, key } of done.reads) {
      if (key === undefined) of.forgetList(this, input);
      else of.forgetKey(key, this, input);
    }
    for (const key of done.keys) if (this.#owners.get(key) === input) this.#owners.delete(key);
    return done.keys;
  }

  #compute(input: string): ReadonlyMap<string, O> {
    const { from, keyOf, transform, values } = this.#options;
    const outputs = new Map<string, O>();
    const value = from.get(input);
    if (value === undefined) return outputs;
    const recorder = new Recorder(this, input);
    for (const output of transform(value, recorder, input)) {
      const key = keyOf(output);
      const owner = this.#owners.get(key);
      assert(
        owner === undefined || owner === input,
        `${values.name}: ${key} comes from ${owner} and from ${input}`,
      );
      this.#owners.set(key, input);
      outputs.set(key, output);
    }
    this.#done.set(input, { reads: recorder.reads, keys: [...outputs.keys()] });
    return outputs;
  }
}
