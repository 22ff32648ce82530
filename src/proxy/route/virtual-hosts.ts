import { refuse } from "#lib/config-error.ts";

/** Finds a virtual host by name: exact, then the longest `*suffix`, then the longest `prefix*`, then `*`. */
export class DomainIndex<V> {
  readonly #exact: Map<string, V> = new Map();
  readonly #suffixes: Map<number, Map<string, V>> = new Map();
  readonly #prefixes: Map<number, Map<string, V>> = new Map();
  #suffixLengths: number[] = [];
  #prefixLengths: number[] = [];
  #any: V | undefined;

  add(domain: string, host: V): void {
    const name = domain.toLowerCase();
    if (name === "*") {
      if (this.#any !== undefined)
        throw refuse("domains", "Only a single wildcard domain is permitted");
      this.#any = host;
    } else if (name.startsWith("*")) this.#addAt(this.#suffixes, name.slice(1), host, domain);
    else if (name.endsWith("*")) this.#addAt(this.#prefixes, name.slice(0, -1), host, domain);
    else {
      if (this.#exact.has(name)) throw duplicate(domain);
      this.#exact.set(name, host);
    }
    this.#suffixLengths = [...this.#suffixes.keys()].sort((a, b) => b - a);
    this.#prefixLengths = [...this.#prefixes.keys()].sort((a, b) => b - a);
  }

  #addAt(byLength: Map<number, Map<string, V>>, part: string, host: V, domain: string): void {
    const map = byLength.get(part.length) ?? new Map<string, V>();
    byLength.set(part.length, map);
    if (map.has(part)) throw duplicate(domain);
    map.set(part, host);
  }

  find(authority: string): V | undefined {
    const exact = this.#exact.get(authority);
    if (exact !== undefined) return exact;
    const name = authority.toLowerCase();
    const folded = this.#exact.get(name);
    if (folded !== undefined) return folded;
    // The asterisk stands for at least one character.
    for (const length of this.#suffixLengths) {
      const found =
        name.length > length
          ? this.#suffixes.get(length)?.get(name.slice(name.length - length))
          : undefined;
      if (found !== undefined) return found;
    }
    for (const length of this.#prefixLengths) {
      const found =
        name.length > length ? this.#prefixes.get(length)?.get(name.slice(0, length)) : undefined;
      if (found !== undefined) return found;
    }
    return this.#any;
  }
}

function duplicate(domain: string): Error {
  return refuse(
    "domains",
    `Only unique values for domains are permitted. Duplicate entry of domain ${domain}`,
  );
}
