import { isWildcard, overlap } from "#model/hostname.ts";
import type { VirtualService } from "../../view.ts";

/** VirtualServices with routes of connections (`tls`, `tcp`), found by a service's host: most have none, and then a mesh has many. */
export class ConnectionRules {
  readonly #all: readonly VirtualService[];
  readonly #exact: Map<string, VirtualService[]> = new Map();
  readonly #wildcards: readonly VirtualService[];
  readonly #order: Map<VirtualService, number> = new Map();

  constructor(virtualServices: readonly VirtualService[]) {
    this.#all = virtualServices.filter(
      ({ spec: { tls = [], tcp = [] } }) => tls.length > 0 || tcp.length > 0,
    );
    for (const [index, object] of this.#all.entries()) {
      this.#order.set(object, index);
      for (const host of new Set(object.spec.hosts)) {
        if (!isWildcard(host)) this.#exact.getOrInsertComputed(host, () => []).push(object);
      }
    }
    this.#wildcards = this.#all.filter(({ spec }) => (spec.hosts ?? []).some(isWildcard));
  }

  /** In the order that they had. */
  of(hostname: string): readonly VirtualService[] {
    const covers = ({ spec }: VirtualService): boolean =>
      (spec.hosts ?? []).some((host) => overlap(host, hostname));
    if (isWildcard(hostname)) return this.#all.filter(covers);
    const exact = this.#exact.get(hostname) ?? [];
    const wide = this.#wildcards.filter((object) => !exact.includes(object) && covers(object));
    if (wide.length === 0) return exact;
    return [...exact, ...wide].sort((a, b) => this.#place(a) - this.#place(b));
  }

  #place(object: VirtualService): number {
    return this.#order.get(object) ?? 0;
  }
}

const known = new WeakMap<readonly VirtualService[], ConnectionRules>();

/** Of a list: the same while the list is. */
export function connectionRules(virtualServices: readonly VirtualService[]): ConnectionRules {
  return known.getOrInsertComputed(virtualServices, (list) => new ConnectionRules(list));
}
