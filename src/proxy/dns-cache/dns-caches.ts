import { isDeepStrictEqual } from "node:util";
import type { DnsCacheConfigJson } from "#gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { systemResolver } from "../cluster/discovery/resolver.ts";
import type { Services } from "../services.ts";
import { DnsCache } from "./dns-cache.ts";
import { compileDnsCache } from "./options.ts";

/** A worker's caches by name: a cluster and the filters before it share one. */
export class DnsCaches {
  readonly #caches: Map<string, { readonly config: DnsCacheConfigJson; readonly cache: DnsCache }> =
    new Map();

  /** Throws ConfigError. */
  get(config: DnsCacheConfigJson | undefined, services: Services): DnsCache {
    return within("dns_cache_config", () => {
      if (config === undefined) throw refuse("", "is required");
      const known = this.#caches.get(config.name ?? "");
      if (known === undefined) return this.#make(config, services);
      if (isDeepStrictEqual(known.config, config)) return known.cache;
      throw refuse("", `config specified DNS cache '${config.name}' with different settings`);
    });
  }

  #make(config: DnsCacheConfigJson, services: Services): DnsCache {
    const options = compileDnsCache(config);
    const cache = new DnsCache(options, services, systemResolver(options.resolver));
    this.#caches.set(options.name, { config, cache });
    return cache;
  }

  destroy(): void {
    for (const { cache } of this.#caches.values()) cache.destroy();
    this.#caches.clear();
  }
}
