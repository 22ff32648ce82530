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

interface Listed {
  readonly objects: readonly object[];
  readonly set: ResourceSet;
}

/** The lists of one owner and type. */
interface Family {
  readonly recent: Listed[];
  /** What all lists so far have in common, in their order. */
  base: Listed | undefined;
}

/** Different lists of one owner that are remembered. */
const recentMax = 16;
const sweepMin = 1024;

/** Finds the set that another proxy, or an earlier state, has already: then nothing is encoded, compared or put together twice. */
export class SetCache {
  readonly #pool = new ResourcePool();
  readonly #families = new WeakMap<object, Map<ResourceType, Family>>();
  readonly #byContent = new Map<string, WeakRef<ResourceSet>>();
  readonly #onInvalid: (error: ResourceError) => void;
  #sweepAt = sweepMin;

  constructor(onInvalid: (error: ResourceError) => void) {
    this.#onInvalid = onInvalid;
  }

  of({ type, objects, owner, last }: SetRequest): ResourceSet {
    const families = this.#families.getOrInsertComputed(owner, () => new Map());
    const family: Family = families.getOrInsertComputed(type, () => ({
      recent: [],
      base: undefined,
    }));
    const { recent } = family;
    const known = recent.find((entry) => sameList(entry.objects, objects));
    if (known !== undefined) return known.set;
    const before = recent.at(-1)?.objects;
    const rest =
      before === undefined ? undefined : this.#rest(type, family, { before, objects, last });
    const set =
      rest === undefined
        ? this.#shared(type, this.#resources(type, objects, last))
        : this.#shared(type, this.#resources(type, rest, last), family.base?.set);
    if (recent.length >= recentMax) recent.shift();
    recent.push({ objects, set });
    return set;
  }

  /** What the list has beside the base; undefined: it has not much in common with the others. */
  #rest(
    type: ResourceType,
    family: Family,
    { before, objects, last }: { before: readonly object[] } & Pick<SetRequest, "objects" | "last">,
  ): readonly object[] | undefined {
    const { base } = family;
    const rest = base && restBeside(base.objects, objects);
    if (rest !== undefined) return rest;
    const others = new Set(objects);
    const common = (base?.objects ?? before).filter((one) => others.has(one));
    if (2 * common.length < objects.length) return undefined;
    const set = this.#shared(type, this.#resources(type, common, last));
    family.base = { objects: common, set };
    return restBeside(common, objects);
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

  /** The set of equal content that there is already, or this one. */
  #shared(type: ResourceType, resources: readonly Resource[], base?: ResourceSet): ResourceSet {
    if (resources.length === 0) return base ?? emptySet;
    const made = new ResourceSet(resources, base);
    const key = `${type.name}/${made.size}/${made.version}`;
    const known = this.#byContent.get(key)?.deref();
    if (known !== undefined && same(known, made)) return known;
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

/** Sets of other bases are not the same, whatever is in them: what is common would not be found to be. */
function same(known: ResourceSet, made: ResourceSet): boolean {
  if (known.base !== made.base || known.size !== made.size) return false;
  for (const one of made.own) if (known.get(one.name) !== one) return false;
  return true;
}

/** Undefined: not all of `base` is in the list, or in another order. */
function restBeside(
  base: readonly object[],
  list: readonly object[],
): readonly object[] | undefined {
  const rest: object[] = [];
  let index = 0;
  for (const one of list) {
    if (one === base[index]) index++;
    else rest.push(one);
  }
  return index === base.length ? rest : undefined;
}

export function sameList(a: readonly object[], b: readonly object[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  // Lists of proxies that share a scope differ at their ends.
  for (let index = a.length - 1; index >= 0; index--) if (a[index] !== b[index]) return false;
  return true;
}
