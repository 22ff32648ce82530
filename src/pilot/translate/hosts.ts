/** Host names of rules: a `*` or `*.suffix` covers all names that end so. */

export function isWildcard(host: string): boolean {
  return host.startsWith("*");
}

/** Some name is covered by both. */
export function hostsOverlap(a: string, b: string): boolean {
  return hostCovers(a, b) || hostCovers(b, a);
}

/** Each name that `inner` covers, `outer` covers too. */
export function hostCovers(outer: string, inner: string): boolean {
  if (!isWildcard(outer)) return outer === inner;
  const suffix = outer.slice(1);
  return isWildcard(inner)
    ? inner.length >= outer.length && inner.endsWith(suffix)
    : inner.endsWith(suffix);
}

/** What two lists have in common, in the order of the first: of two names that overlap, the narrower. */
export function commonHosts(first: readonly string[], second: readonly string[]): string[] {
  const common = new Set<string>();
  for (const a of first) {
    for (const b of second) {
      if (hostCovers(b, a)) common.add(a);
      else if (hostCovers(a, b)) common.add(b);
    }
  }
  return [...common];
}

/** Exact names before wildcards, long before short, then by the alphabet. */
export function bySpecificity(a: string, b: string): number {
  if (isWildcard(a) !== isWildcard(b)) return isWildcard(a) ? 1 : -1;
  if (a.length !== b.length) return b.length - a.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The narrowest of `hosts` that covers the name. */
export function mostSpecificHost(name: string, hosts: Iterable<string>): string | undefined {
  let best: string | undefined;
  for (const host of hosts) {
    if (hostCovers(host, name) && (best === undefined || bySpecificity(host, best) < 0)) {
      best = host;
    }
  }
  return best;
}
