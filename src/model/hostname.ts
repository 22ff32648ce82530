/** Host names of services and rules: `reviews.default.svc.cluster.local`, `*.example.com`, `*`. */

export function isWildcard(host: string): boolean {
  return host.startsWith("*");
}

/** Whether every name that `inner` stands for is one of `outer`'s. */
export function covers(outer: string, inner: string): boolean {
  if (!isWildcard(outer)) return outer === inner;
  if (outer === "*") return true;
  // `*.example.com` covers `*.a.example.com` and itself, and not `example.com`.
  const suffix = outer.slice(1);
  const name = isWildcard(inner) ? inner.slice(1) : inner;
  return name.endsWith(suffix) && (isWildcard(inner) || name.length > suffix.length);
}

/** Whether some name is both's. */
export function overlap(a: string, b: string): boolean {
  return covers(a, b) || covers(b, a);
}

/** Exact before wildcard, the longer before the shorter, then by letters: the order in which hosts are tried. */
export function bySpecificity(a: string, b: string): number {
  if (isWildcard(a) !== isWildcard(b)) return isWildcard(a) ? 1 : -1;
  if (a.length !== b.length) return b.length - a.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A table of rules by host, asked for the most specific one that covers a name: the exact one, else the longest wildcard. Asking costs one
 * look-up for each label of the name.
 */
export class HostTable<T> {
  readonly #byHost = new Map<string, T>();

  constructor(entries: Iterable<readonly [host: string, value: T]> = []) {
    for (const [host, value] of entries) this.set(host, value);
  }

  set(host: string, value: T): void {
    this.#byHost.set(host.toLowerCase(), value);
  }

  /** The entry of exactly this host. */
  get(host: string): T | undefined {
    return this.#byHost.get(host.toLowerCase());
  }

  match(name: string): T | undefined {
    const host = name.toLowerCase();
    const exact = this.#byHost.get(host);
    if (exact !== undefined) return exact;
    // From `*.b.c` for `a.b.c` or `*.b.c`.
    for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
      const found = this.#byHost.get(`*${host.slice(dot)}`);
      if (found !== undefined) return found;
    }
    return this.#byHost.get("*");
  }
}

/** The most specific of the hosts that covers a name (Istio's MostSpecificHostMatch). */
export function mostSpecific(name: string, hosts: Iterable<string>): string | undefined {
  return new HostTable([...hosts].map((host) => [host, host])).match(name);
}

/**
 * A rule's host as a whole name: one without a dot is a service of the rule's own namespace. What has a dot, a wildcard or is an address is
 * whole already.
 */
export function resolveHost(
  host: string,
  { namespace, domain }: { readonly namespace: string; readonly domain: string },
): string {
  if (host === "" || host.includes(".") || host.includes(":") || isWildcard(host)) return host;
  return `${host}.${namespace}.svc.${domain}`;
}
