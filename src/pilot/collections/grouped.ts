import type { Reader, Values } from "./node.ts";

export interface GroupedOptions<T> {
  readonly values: Values<readonly T[]>;
  readonly from: Values<T>;
  readonly keysOf: (value: T) => readonly string[];
  readonly compare: (a: T, b: T) => number;
}

/** Values under the keys of what they have in common; each group is a list that is another one when a member changes. */
export class Grouped<T> implements Reader {
  readonly place: number;
  readonly #options: GroupedOptions<T>;
  readonly #dirty: Set<string> = new Set();
  /** Of each member: its value, and the groups it is in. */
  readonly #members: Map<string, { readonly value: T; readonly keys: readonly string[] }> =
    new Map();

  constructor(options: GroupedOptions<T>) {
    this.#options = options;
    this.place = options.values.place;
    options.from.follow((key) => this.#dirty.add(key));
    for (const key of options.from.snapshot().keys()) this.#dirty.add(key);
    this.run();
  }

  /** Groups read nothing beside what they group. */
  invalidate(): void {}

  run(): void {
    if (this.#dirty.size === 0) return;
    const touched = new Map<string, Moves<T>>();
    for (const member of this.#dirty) this.#move(member, touched);
    this.#dirty.clear();
    const { values, compare } = this.#options;
    for (const [key, moves] of touched) {
      const group = moved(values.get(key) ?? [], moves, compare);
      values.put(key, group.length === 0 ? undefined : group);
    }
  }

  #move(member: string, touched: Map<string, Moves<T>>): void {
    const movesOf = (key: string): Moves<T> =>
      touched.getOrInsertComputed(key, () => ({ gone: new Set(), come: [] }));
    const value = this.#options.from.get(member);
    const known = this.#members.get(member);
    if (known?.value === value) return;
    if (known !== undefined) for (const key of known.keys) movesOf(key).gone.add(known.value);
    this.#members.delete(member);
    if (value === undefined) return;
    const keys = this.#options.keysOf(value);
    this.#members.set(member, { value, keys });
    for (const key of keys) movesOf(key).come.push(value);
  }
}

interface Moves<T> {
  readonly gone: Set<T>;
  readonly come: T[];
}

/** More than so many are sorted together, fewer put where they belong one by one: a large group then costs one copy. */
const insertionsMax = 8;

function moved<T>(
  group: readonly T[],
  { gone, come }: Moves<T>,
  compare: (a: T, b: T) => number,
): readonly T[] {
  const next = gone.size === 0 ? [...group] : group.filter((value) => !gone.has(value));
  if (come.length > insertionsMax) return [...next, ...come].sort(compare);
  for (const value of come) next.splice(placeOf(value, next, compare), 0, value);
  return next;
}

function placeOf<T>(value: T, sorted: readonly T[], compare: (a: T, b: T) => number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = sorted[middle];
    if (other !== undefined && compare(other, value) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
