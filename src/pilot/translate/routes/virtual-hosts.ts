import type { VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { decidedBy, type Rule } from "../../provenance.ts";
import type { DroppedDomains } from "./dropped-domains.ts";

export interface Candidate {
  readonly name: string;
  readonly domains: readonly string[];
  /** Names short for a longer one, which give way to a service of that very name. */
  readonly short: ReadonlySet<string>;
  readonly virtualHost: Omit<VirtualHostJson, "name" | "domains">;
  readonly rules: readonly Rule[];
}

/** The virtual hosts of a route configuration: no two have a name or a domain in common, the first keeps it. */
export class VirtualHosts {
  readonly list: VirtualHostJson[] = [];
  readonly dropped: DroppedDomains[] = [];
  readonly #names = new Set<string>();
  readonly #owners = new Map<string, VirtualHostJson>();
  readonly #fullNames: ReadonlySet<string>;

  constructor(fullNames: ReadonlySet<string>) {
    this.#fullNames = fullNames;
  }

  add({ name, domains, short, virtualHost, rules }: Candidate): void {
    if (this.#names.has(name)) {
      this.dropped.push({ virtualHost: name, domains, whole: true, rules });
      return;
    }
    this.#names.add(name);
    const free = domains.filter((domain) => this.#isFree(domain, short));
    if (free.length < domains.length) {
      const lost = domains.filter((domain) => !free.includes(domain));
      this.dropped.push({ virtualHost: name, domains: lost, whole: free.length === 0, rules });
    }
    if (free.length === 0) return;
    const added = decidedBy({ name, domains: free, ...virtualHost }, ...rules);
    this.list.push(added);
    for (const domain of free) this.#owners.set(domain, added);
  }

  /** The one that has exactly this domain. */
  ofDomain(domain: string): VirtualHostJson | undefined {
    return this.#owners.get(domain);
  }

  #isFree(domain: string, short: ReadonlySet<string>): boolean {
    return !this.#owners.has(domain) && !(short.has(domain) && this.#fullNames.has(domain));
  }
}
