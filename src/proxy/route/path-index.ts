import type { PathSpecifier } from "./match.ts";

/** Something with a place in the list of routes: the lower `order` wins. */
export interface Indexed {
  readonly order: number;
  readonly specifier: PathSpecifier;
}

/**
 * Finds the first route of a list whose path matches, without looking at the others: exact paths by hash, prefixes by hash at each
 * length that occurs, both once more for paths without regard to case, and only what cannot be indexed (regular expressions, templates,
 * CONNECT) one by one. First match in configuration order, as Envoy.
 */
export class PathIndex<R extends Indexed> {
  readonly #sensitive: LiteralIndex<R>;
  readonly #folded: LiteralIndex<R> | undefined;
  readonly #scanned: readonly R[];

  constructor(routes: readonly R[]) {
    const sensitive: R[] = [];
    const folded: R[] = [];
    const scanned: R[] = [];
    for (const route of routes) {
      const { kind, caseSensitive } = route.specifier;
      if (kind === "path" || kind === "prefix" || kind === "segments")
        (caseSensitive ? sensitive : folded).push(route);
      else scanned.push(route);
    }
    this.#sensitive = new LiteralIndex(sensitive);
    this.#folded = folded.length === 0 ? undefined : new LiteralIndex(folded);
    this.#scanned = scanned;
  }

  /** `accepts` asks a route's other conditions. */
  find(path: string, accepts: (route: R) => boolean): R | undefined {
    let best = this.#sensitive.find(path, path, undefined, accepts);
    if (this.#folded !== undefined)
      best = this.#folded.find(path.toLowerCase(), path, best, accepts);
    return firstOf(this.#scanned, best, path, accepts);
  }
}

/** Up to so many routes a look at each is quicker than a hash of the path at each length. */
const listedMax = 32;

class LiteralIndex<R extends Indexed> {
  /** All of them, when they are few. */
  readonly #listed: readonly R[] | undefined;
  readonly #exact: Map<string, R[]> = new Map();
  readonly #prefixes: Map<string, R[]> = new Map();
  readonly #lengths: readonly number[];

  constructor(routes: readonly R[]) {
    const lengths = new Set<number>();
    if (routes.length <= listedMax) {
      this.#listed = routes;
      this.#lengths = [];
      return;
    }
    for (const route of routes) {
      const { kind, text } = route.specifier;
      if (kind === "path") push(this.#exact, text, route);
      else {
        push(this.#prefixes, text, route);
        lengths.add(text.length);
      }
    }
    this.#lengths = [...lengths].sort((a, b) => a - b);
  }

  /** `key` is the path as the index has it. */
  find(
    key: string,
    path: string,
    before: R | undefined,
    accepts: (route: R) => boolean,
  ): R | undefined {
    if (this.#listed !== undefined) return firstListed(this.#listed, key, path, before, accepts);
    let best = firstOf(this.#exact.get(key), before, path, accepts);
    for (const length of this.#lengths) {
      if (length > key.length) break;
      const candidates = this.#prefixes.get(length === key.length ? key : key.slice(0, length));
      best = firstOf(candidates, best, path, accepts);
    }
    return best;
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

/** As `firstOf`, for routes whose path begins with a literal: most are passed over by that. */
function firstListed<R extends Indexed>(
  routes: readonly R[],
  key: string,
  path: string,
  best: R | undefined,
  accepts: (route: R) => boolean,
): R | undefined {
  for (let i = 0; i < routes.length; i++) {
    const route = routes[i] as R;
    if (best !== undefined && route.order > best.order) return best;
    const { kind, text } = route.specifier;
    if (!key.startsWith(text)) continue;
    if ((kind === "prefix" || route.specifier.matches(path)) && accepts(route)) return route;
  }
  return best;
}

function push<R>(map: Map<string, R[]>, key: string, value: R): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
