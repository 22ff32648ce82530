import { keepList } from "../collections/same.ts";
import { Recent } from "./recent.ts";
import { circleOf } from "./visibility.ts";

interface Exported {
  readonly namespace: string;
  readonly exportTo: readonly string[];
}

/** Namespaces whose lists are remembered. */
const namespacesMax = 10_000;

/**
 * What each namespace may see of a list: its own private members, those exported to it by name, the public ones; in each the list's order.
 * Lists stay the same object while their members do, and namespaces that see only what is public share one.
 */
export class Circles<T extends object> {
  readonly #exportedOf: (value: T) => Exported;
  #from: readonly T[] = [];
  #public: readonly T[] = [];
  #others: readonly T[] = [];
  readonly #known: Recent<readonly T[]> = new Recent({ entriesMax: namespacesMax });

  constructor(exportedOf: (value: T) => Exported) {
    this.#exportedOf = exportedOf;
  }

  seen(values: readonly T[], from: string): readonly T[] {
    if (this.#from !== values) this.#split(values);
    const near: [T[], T[]] = [[], []];
    for (const value of this.#others) {
      const { namespace, exportTo } = this.#exportedOf(value);
      const circle = circleOf(exportTo, { namespace, from });
      if (circle === 0 || circle === 1) near[circle].push(value);
    }
    if (near[0].length + near[1].length === 0) return this.#public;
    const list = [...near[0], ...near[1], ...this.#public];
    return this.#known.set(from, keepList(this.#known.get(from), list));
  }

  #split(values: readonly T[]): void {
    const isPublic = (value: T): boolean => this.#exportedOf(value).exportTo.includes("*");
    this.#from = values;
    this.#public = keepList(this.#public, values.filter(isPublic));
    this.#others = values.filter((value) => !isPublic(value));
  }
}
