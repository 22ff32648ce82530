/** Names that a client asks for. Immutable, and one object for one set of names: what is computed for one client is found for the others. */
export class NameSet implements Iterable<string> {
  readonly #names: ReadonlySet<string>;

  constructor(names: ReadonlySet<string>) {
    this.#names = names;
  }

  get size(): number {
    return this.#names.size;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#names.values();
  }
}

interface Entry {
  readonly key: string;
  readonly set: WeakRef<NameSet>;
}

const sweepMin = 1024;

/** Finds the NameSet of names that somebody else has asked for before. Holds none that nobody uses. */
export class NamePool {
  readonly #sets = new Map<string, Entry>();
  readonly empty: NameSet = new NameSet(new Set());
  #sweepAt = sweepMin;

  /** Sets in use, and some that are not any more. */
  get size(): number {
    return this.#sets.size;
  }

  of(names: ReadonlySet<string>): NameSet {
    if (names.size === 0) return this.empty;
    const key = keyOf(names);
    const known = this.#sets.get(key)?.set.deref();
    if (known !== undefined) return isSame(known, names) ? known : new NameSet(names);
    const made = new NameSet(names);
    this.#sets.set(key, { key, set: new WeakRef(made) });
    if (this.#sets.size >= this.#sweepAt) this.#sweep();
    return made;
  }

  /** `names` and more; `names` itself when it has them all. */
  with(names: NameSet, added: Iterable<string>): NameSet {
    const all = new Set(names);
    for (const name of added) all.add(name);
    return all.size === names.size ? names : this.of(all);
  }

  without(names: NameSet, removed: Iterable<string>): NameSet {
    const rest = new Set(names);
    for (const name of removed) rest.delete(name);
    return rest.size === names.size ? names : this.of(rest);
  }

  #sweep(): void {
    for (const { key, set } of this.#sets.values())
      if (set.deref() === undefined) this.#sets.delete(key);
    this.#sweepAt = Math.max(sweepMin, 2 * this.#sets.size);
  }
}

/** A client may make two sets with one key: they are compared. */
function isSame(known: NameSet, names: ReadonlySet<string>): boolean {
  if (known.size !== names.size) return false;
  for (const name of names) if (!known.has(name)) return false;
  return true;
}

/** Whatever the order of the names: sums of two hashes. */
function keyOf(names: ReadonlySet<string>): string {
  let sum = 0;
  let mixed = 0;
  for (const name of names) {
    const hash = fnv1a(name);
    sum = (sum + hash) | 0;
    mixed = (mixed + Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)) | 0;
  }
  return `${names.size}:${sum}:${mixed}`;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}
