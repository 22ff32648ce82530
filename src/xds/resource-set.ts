import type { NameSet } from "./name-set.ts";
import type { Resource } from "./resource.ts";

/** What turns one set into another. */
export interface Difference {
  /** Added or changed, as they are in the later set. */
  readonly changed: readonly Resource[];
  /** Names that the later set does not have. */
  readonly removed: readonly string[];
}

/**
 * Resources of one type by name. Immutable and shared: many clients have the same set, and what is computed from sets (a part, a difference,
 * a response) is computed once for all of them and kept as long as the sets are.
 */
export class ResourceSet {
  readonly #byName: ReadonlyMap<string, Resource>;
  readonly #parts = new WeakMap<NameSet, ResourceSet>();
  readonly #rests = new WeakMap<NameSet, ResourceSet>();
  readonly #differences = new WeakMap<ResourceSet, Difference>();
  readonly #unions = new WeakMap<ResourceSet, ResourceSet>();
  #version: string | undefined;
  #ttlMs: number | undefined;

  constructor(resources: Iterable<Resource>) {
    const byName = new Map<string, Resource>();
    for (const resource of resources) byName.set(resource.name, resource);
    this.#byName = byName;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): Resource | undefined {
    return this.#byName.get(name);
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  values(): Iterable<Resource> {
    return this.#byName.values();
  }

  names(): Iterable<string> {
    return this.#byName.keys();
  }

  /** Of the whole content: a server that is started again, or another one, gives the same. */
  get version(): string {
    this.#version ??= versionOf(this.#byName.values());
    return this.#version;
  }

  /** The shortest of its resources' times to live; undefined: none has one. */
  get ttlMs(): number | undefined {
    this.#ttlMs ??= shortestTtl(this.#byName.values());
    return this.#ttlMs === Number.POSITIVE_INFINITY ? undefined : this.#ttlMs;
  }

  pick(names: NameSet): ResourceSet {
    let part = this.#parts.get(names);
    if (part === undefined) {
      part = this.#pick(names);
      this.#parts.set(names, part);
    }
    return part;
  }

  #pick(names: NameSet): ResourceSet {
    const found: Resource[] = [];
    for (const name of names) {
      const resource = this.#byName.get(name);
      if (resource !== undefined) found.push(resource);
    }
    return this.#sized(found);
  }

  without(names: NameSet): ResourceSet {
    let rest = this.#rests.get(names);
    if (rest === undefined) {
      rest = this.#sized([...this.#byName.values()].filter(({ name }) => !names.has(name)));
      this.#rests.set(names, rest);
    }
    return rest;
  }

  /** A part of this set that is all of it, is it. */
  #sized(part: readonly Resource[]): ResourceSet {
    if (part.length === this.size) return this;
    return part.length === 0 ? emptySet : new ResourceSet(part);
  }

  /** What has to be done to have `later`. */
  difference(later: ResourceSet): Difference {
    if (later === this) return none;
    let difference = this.#differences.get(later);
    if (difference === undefined) {
      difference = differenceOf(this, later);
      this.#differences.set(later, difference);
    }
    return difference;
  }

  /** This set, and of `others` the names that it lacks. */
  union(others: ResourceSet): ResourceSet {
    let union = this.#unions.get(others);
    if (union === undefined) {
      const added = [...others.values()].filter(({ name }) => !this.has(name));
      union = added.length === 0 ? this : new ResourceSet([...this.values(), ...added]);
      this.#unions.set(others, union);
    }
    return union;
  }
}

/** Of any type. */
export const emptySet: ResourceSet = new ResourceSet([]);

const none: Difference = { changed: [], removed: [] };

export function isNothing({ changed, removed }: Difference): boolean {
  return changed.length === 0 && removed.length === 0;
}

function differenceOf(from: ResourceSet, to: ResourceSet): Difference {
  const changed = [...to.values()].filter(({ name, version }) => {
    return from.get(name)?.version !== version;
  });
  const removed: string[] = [];
  for (const name of from.names()) if (!to.has(name)) removed.push(name);
  return changed.length === 0 && removed.length === 0 ? none : { changed, removed };
}

/** Sums, so that the order does not matter; versions are digests already. */
function versionOf(resources: Iterable<Resource>): string {
  let high = 0;
  let low = 0;
  for (const { version } of resources) {
    high = (high + Number.parseInt(version.slice(0, 8), 16)) >>> 0;
    low = (low + Number.parseInt(version.slice(8, 16), 16)) >>> 0;
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

function shortestTtl(resources: Iterable<Resource>): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (const { ttlMs } of resources) if (ttlMs !== undefined && ttlMs < shortest) shortest = ttlMs;
  return shortest;
}
