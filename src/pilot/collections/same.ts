/**
 * Equal in everything that can be read: arrays, plain objects, sets and maps by what they hold, all else by identity. What recomputation
 * finds equal is not a change, and its readers are left alone.
 */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && sameLists(a, b);
  }
  if (a instanceof Set) return b instanceof Set && a.size === b.size && a.isSubsetOf(b);
  if (a instanceof Map) return b instanceof Map && sameMaps(a, b);
  const prototype: unknown = Object.getPrototypeOf(a);
  if (prototype !== Object.prototype || Object.getPrototypeOf(b) !== prototype) return false;
  return sameObjects({ ...a }, { ...b });
}

function sameLists(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, index) => same(value, b[index]));
}

function sameMaps(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (!b.has(key) || !same(value, b.get(key))) return false;
  return true;
}

function sameObjects(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

/** The list that is already there when every member is the very same, so that identity tells whether something changed. */
export function keepList<T>(known: readonly T[] | undefined, next: readonly T[]): readonly T[] {
  if (known === undefined || known.length !== next.length) return next;
  return known.every((value, index) => value === next[index]) ? known : next;
}
