import type { NameSet } from "./name-set.ts";
import type { Resource } from "./resource.ts";

/**
 * What turns one set into another. Of two sets that share most of what changed (`base`) only the rest is its own, so that what is common to
 * many clients is one object.
 */
export class Difference {
  readonly base: Difference | undefined;
  /** Added or changed, as they are in the later set, beside those of `base`. */
  readonly own: readonly Resource[];
  /** Names that the later set does not have, beside those of `base`. */
  readonly ownRemoved: readonly string[];
  readonly changedCount: number;
  readonly removedCount: number;

  constructor(own: readonly Resource[], ownRemoved: readonly string[], base?: Difference) {
    this.base = base;
    this.own = own;
    this.ownRemoved = ownRemoved;
    this.changedCount = own.length + (base?.changedCount ?? 0);
    this.removedCount = ownRemoved.length + (base?.removedCount ?? 0);
  }

  get isNothing(): boolean {
    return this.changedCount + this.removedCount === 0;
  }

  get changed(): readonly Resource[] {
    return this.base === undefined ? this.own : [...this.base.changed, ...this.own];
  }

  get removed(): readonly string[] {
    return this.base === undefined ? this.ownRemoved : [...this.base.removed, ...this.ownRemoved];
  }
}

export const noDifference: Difference = new Difference([], []);

/**
 * Resources of one type by name. Immutable and shared: many clients have the same set, and what is computed from sets (a part, a difference,
 * a response) is computed once for all of them and kept as long as the sets are. A set may be another one and a few resources more.
 */
export class ResourceSet {
  /** What other sets have too; no name of it is among `#own`. */
  readonly #base: ResourceSet | undefined;
  readonly #own: ReadonlyMap<string, Resource>;
  readonly #parts = new WeakMap<NameSet, ResourceSet>();
  readonly #rests = new WeakMap<NameSet, ResourceSet>();
  readonly #differences = new WeakMap<ResourceSet, Difference>();
  readonly #unions = new WeakMap<ResourceSet, ResourceSet>();
  #sums: Sums | undefined;
  #ttlMs: number | undefined;

  /** `base` counts only if it has none of the names. */
  constructor(resources: Iterable<Resource>, base?: ResourceSet) {
    const own = new Map<string, Resource>();
    for (const resource of resources) own.set(resource.name, resource);
    this.#own = own;
    this.#base = base;
    if (base === undefined) return;
    for (const name of own.keys()) {
      if (!base.has(name)) continue;
      this.#base = undefined;
      this.#own = new Map([...[...base.values()].map((one) => [one.name, one] as const), ...own]);
      return;
    }
  }

  /** Without what is its own. */
  get base(): ResourceSet | undefined {
    return this.#base;
  }

  /** Beside the base. */
  get own(): Iterable<Resource> {
    return this.#own.values();
  }

  get size(): number {
    return this.#own.size + (this.#base?.size ?? 0);
  }

  get(name: string): Resource | undefined {
    return this.#own.get(name) ?? this.#base?.get(name);
  }

  has(name: string): boolean {
    return this.#own.has(name) || this.#base?.has(name) === true;
  }

  *values(): Iterable<Resource> {
    if (this.#base !== undefined) yield* this.#base.values();
    yield* this.#own.values();
  }

  *names(): Iterable<string> {
    if (this.#base !== undefined) yield* this.#base.names();
    yield* this.#own.keys();
  }

  /** Of the whole content: a server that is started again, or another one, gives the same. */
  get version(): string {
    const { high, low } = this.#sum();
    return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
  }

  #sum(): Sums {
    this.#sums ??= sumOf(this.#own.values(), this.#base === undefined ? zero : this.#base.#sum());
    return this.#sums;
  }

  /** The shortest of its resources' times to live; undefined: none has one. */
  get ttlMs(): number | undefined {
    this.#ttlMs ??= shortestTtl(this.#own.values(), this.#base?.ttlMs);
    return this.#ttlMs === Number.POSITIVE_INFINITY ? undefined : this.#ttlMs;
  }

  pick(names: NameSet): ResourceSet {
    return this.#parts.getOrInsertComputed(names, () => {
      const found: Resource[] = [];
      for (const name of names) {
        const resource = this.get(name);
        if (resource !== undefined) found.push(resource);
      }
      return this.#sized(found);
    });
  }

  without(names: NameSet): ResourceSet {
    return this.#rests.getOrInsertComputed(names, () =>
      this.#sized([...this.values()].filter(({ name }) => !names.has(name))),
    );
  }

  /** A part of this set that is all of it, is it. */
  #sized(part: readonly Resource[]): ResourceSet {
    if (part.length === this.size) return this;
    return part.length === 0 ? emptySet : new ResourceSet(part);
  }

  /** What has to be done to have `later`. */
  difference(later: ResourceSet): Difference {
    if (later === this) return noDifference;
    return this.#differences.getOrInsertComputed(later, () => this.#difference(later));
  }

  #difference(later: ResourceSet): Difference {
    const [before, after] = [this.#base ?? emptySet, later.#base ?? emptySet];
    if (before === emptySet && after === emptySet) return differenceOf(this.#own, later.#own);
    // Names that one set has as its own and the other in its base: nothing is common then.
    if (meet(this.#own, after) || meet(later.#own, before))
      return differenceOf(mapOf(this), mapOf(later));
    const common = before.difference(after);
    const own = differenceOf(this.#own, later.#own);
    if (own.isNothing) return common;
    return common.isNothing ? own : new Difference(own.own, own.ownRemoved, common);
  }

  /** This set, and of `others` the names that it lacks. */
  union(others: ResourceSet): ResourceSet {
    return this.#unions.getOrInsertComputed(others, () => {
      const { removed } = others.difference(this);
      const added = removed.map((name) => others.get(name)).filter((one) => one !== undefined);
      return added.length === 0 ? this : new ResourceSet(added, this);
    });
  }
}

/** Of any type. */
export const emptySet: ResourceSet = new ResourceSet([]);

function meet(own: ReadonlyMap<string, Resource>, base: ResourceSet): boolean {
  for (const name of own.keys()) if (base.has(name)) return true;
  return false;
}

function mapOf(set: ResourceSet): ReadonlyMap<string, Resource> {
  return new Map([...set.values()].map((resource) => [resource.name, resource]));
}

function differenceOf(
  from: ReadonlyMap<string, Resource>,
  to: ReadonlyMap<string, Resource>,
): Difference {
  const changed: Resource[] = [];
  for (const resource of to.values()) {
    const before = from.get(resource.name);
    if (before !== resource && before?.version !== resource.version) changed.push(resource);
  }
  const removed: string[] = [];
  for (const name of from.keys()) if (!to.has(name)) removed.push(name);
  return changed.length + removed.length === 0 ? noDifference : new Difference(changed, removed);
}

interface Sums {
  readonly high: number;
  readonly low: number;
}

const zero: Sums = { high: 0, low: 0 };

/** Sums, so that the order does not matter; versions are digests already. */
function sumOf(resources: Iterable<Resource>, before: Sums): Sums {
  let { high, low } = before;
  for (const { version } of resources) {
    high = (high + Number.parseInt(version.slice(0, 8), 16)) >>> 0;
    low = (low + Number.parseInt(version.slice(8, 16), 16)) >>> 0;
  }
  return { high, low };
}

function shortestTtl(resources: Iterable<Resource>, before: number | undefined): number {
  let shortest = before ?? Number.POSITIVE_INFINITY;
  for (const { ttlMs } of resources) if (ttlMs !== undefined && ttlMs < shortest) shortest = ttlMs;
  return shortest;
}
