import { Resolver } from "node:dns/promises";
import type { Lookup } from "../endpoint-source.ts";

const timeoutMs = 5_000;

/** The system's resolver, or the servers that are named. */
export function systemLookup(servers: readonly string[] = []): Lookup {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  return {
    async addresses(name) {
      const found = await Promise.all([
        orNone(resolver.resolve4(name, { ttl: true })),
        orNone(resolver.resolve6(name, { ttl: true })),
      ]);
      return found.flat().map(({ address, ttl }) => ({ address, ttlSeconds: ttl }));
    },
    services: (name) => orNone(resolver.resolveSrv(name)),
  };
}

/** The answer that there is nothing is an answer. */
async function orNone<T>(records: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await records;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTFOUND" || code === "ENODATA") return [];
    throw error;
  }
}
