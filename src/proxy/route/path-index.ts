import type { PathSpecifier } from "./match.ts";

/** Something with a place in the list of routes: the lower `order` wins. */
export interface Indexed {
  readonly order: number;
  readonly specifier: PathSpecifier;
}

/**
 * Finds the first route of a list whose path matches, without looking at the others: exact paths by hash, prefixes by hash at each
 * length that occurs, and only what cannot be indexed (regular expressions, case-insensitive paths, CONNECT) one by one. First match
 * in configuration order, as Envoy.
 */
export class PathIndex<R extends Indexed> {
  readonly #exact: Map<string, R[]> = new Map();
  readonly #prefixes: Map<string, R[]> = new Map();
  readonly #lengths: number[];
  readonly #scanned: R[] = [];

  constructor(routes: readonly R[]) {
    const lengths = new Set<number>();
    for (const route of routes) {
      const { kind, text, caseSensitive } = route.specifier;
      if (!caseSensitive || kind === "regex" || kind === "connect") this.#scanned.push(route);
      else if (kind === "path") push(this.#exact, text, route);
      else {
        push(this.#prefixes, text, route);
        lengths.add(text.length);
      }
    }
    this.#lengths = [...lengths].sort((a, b) => a - b);
  }

  /** `accepts` asks a route's other conditions. */
  find(path: string, accepts: (route: R) => boolean): R | undefined {
    let best = firstOf(this.#exact.get(path), undefined, path, accepts);
    for (const length of this.#lengths) {
      if (length > path.length) break;
      best = firstOf(
        this.#prefixes.get(length === path.length ? path : path.slice(0, length)),
        best,
        path,
        accepts,
      );
    }
    return firstOf(this.#scanned, best, path, accepts);
  }
}

function firstOf<R extends Indexed>(
  candidates: readonly R[] | undefined,
  best: R | undefined,
  path: string,
  accepts: (route: R) => boolean,
): R | undefined {
  if (candidates === undefined) return best;
  for (const route of candidates) {
    if (best !== undefined && route.order > best.order) return best;
    if (route.specifier.matches(path) && accepts(route)) return route;
  }
  return best;
}

function push<R>(map: Map<string, R[]>, key: string, value: R): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
