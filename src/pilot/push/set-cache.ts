import { type Resource, ResourceError, ResourcePool } from "#xds/resource.ts";
import { emptySet, ResourceSet } from "#xds/resource-set.ts";
import type { ResourceType } from "#xds/resource-type.ts";

export interface SetRequest {
  readonly type: ResourceType;
  readonly objects: readonly object[];
  /** What many proxies' objects come from: those with the same list of objects are looked for here first. */
  readonly owner: object;
  /** Where the last good version of what is invalid now is found. */
  readonly last: ResourceSet;
}

interface Recent {
  readonly objects: readonly object[];
  readonly set: ResourceSet;
}

/** Different lists of one owner that are remembered. */
const recentMax = 16;
const sweepMin = 1024;

/** Finds the set that another proxy, or an earlier state, has already: then nothing is encoded, compared or put together twice. */
export class SetCache {
  readonly #pool = new ResourcePool();
  readonly #recent = new WeakMap<object, Map<ResourceType, Recent[]>>();
  readonly #byContent = new Map<string, WeakRef<ResourceSet>>();
  readonly #onInvalid: (error: ResourceError) => void;
  #sweepAt = sweepMin;

  constructor(onInvalid: (error: ResourceError) => void) {
    this.#onInvalid = onInvalid;
  }

  /** Objects encoded so far. */
  get encoded(): number {
    return this.#pool.encoded;
  }

  of({ type, objects, owner, last }: SetRequest): ResourceSet {
    const recent = this.#recentOf(owner, type);
    const known = recent.find((entry) => sameList(entry.objects, objects));
    if (known !== undefined) return known.set;
    const set = this.#shared(type, this.#resources(type, objects, last));
    if (recent.length >= recentMax) recent.shift();
    recent.push({ objects, set });
    return set;
  }

  #recentOf(owner: object, type: ResourceType): Recent[] {
    const byType = this.#recent.getOrInsertComputed(owner, () => new Map<ResourceType, Recent[]>());
    return byType.getOrInsertComputed(type, () => []);
  }

  #resources(
    type: ResourceType,
    objects: readonly object[],
    last: ResourceSet,
  ): readonly Resource[] {
    const resources: Resource[] = [];
    for (const object of objects) {
      const resource = this.#resource(type, object, last);
      if (resource !== undefined) resources.push(resource);
    }
    return resources;
  }

  #resource(type: ResourceType, object: object, last: ResourceSet): Resource | undefined {
    try {
      return this.#pool.of(type, object);
    } catch (error) {
      if (!(error instanceof ResourceError)) throw error;
      this.#onInvalid(error);
      return last.get(error.resource);
    }
  }

  #shared(type: ResourceType, resources: readonly Resource[]): ResourceSet {
    if (resources.length === 0) return emptySet;
    const made = new ResourceSet(resources);
    const key = `${type.name}/${made.size}/${made.version}`;
    const known = this.#byContent.get(key)?.deref();
    if (known !== undefined && resources.every((one) => known.get(one.name) === one)) return known;
    this.#byContent.set(key, new WeakRef(made));
    if (this.#byContent.size >= this.#sweepAt) this.#sweep();
    return made;
  }

  #sweep(): void {
    for (const [key, set] of this.#byContent)
      if (set.deref() === undefined) this.#byContent.delete(key);
    this.#sweepAt = Math.max(sweepMin, 2 * this.#byContent.size);
  }
}

export function sameList(a: readonly object[], b: readonly object[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
