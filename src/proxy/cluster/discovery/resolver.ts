import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { Resolver as DnsResolver, lookup } from "node:dns/promises";
import { isIP } from "node:net";

export interface ResolvedAddress {
  readonly ip: string;
  /** Undefined: the source has none (hosts file). */
  readonly ttlSeconds: number | undefined;
}

/** Turns a name into addresses of one family; an unknown name is an empty list, a failing server a rejection. */
export interface Resolver {
  resolve(name: string, family: 4 | 6): Promise<readonly ResolvedAddress[]>;
}

const notFound: ReadonlySet<string> = new Set(["ENODATA", "ENOTFOUND"]);

/** c-ares against the cluster's own resolvers when it names some; else the system's, hosts file included. */
export function systemResolver(config: ClusterJson): Resolver {
  const servers = resolverAddresses(config);
  const dns = new DnsResolver({ timeout: 2000, tries: 2 });
  if (servers.length > 0) dns.setServers(servers);
  return {
    resolve: async (name, family) => {
      if (isIP(name) !== 0) return isIP(name) === family ? [{ ip: name, ttlSeconds: undefined }] : [];
      if (servers.length === 0) {
        const found = await inHostsFile(name, family);
        if (found.length > 0) return found;
      }
      try {
        const records = family === 4 ? await dns.resolve4(name, { ttl: true }) : await dns.resolve6(name, { ttl: true });
        return records.map((record) => ({ ip: record.address, ttlSeconds: record.ttl }));
      } catch (error) {
        if (notFound.has((error as NodeJS.ErrnoException).code ?? "")) return [];
        throw error;
      }
    },
  };
}

/** Names without a dot, and localhost, are what the hosts file is for; getaddrinfo reads it. */
async function inHostsFile(name: string, family: 4 | 6): Promise<readonly ResolvedAddress[]> {
  try {
    const found = await lookup(name, { family, all: true });
    return found.map((entry) => ({ ip: entry.address, ttlSeconds: undefined }));
  } catch {
    return [];
  }
}

function resolverAddresses(config: ClusterJson): string[] {
  const typed = config.typedDnsResolverConfig?.typedConfig as { resolvers?: ClusterJson["dnsResolvers"] } | undefined;
  const addresses = typed?.resolvers ?? config.dnsResolutionConfig?.resolvers ?? config.dnsResolvers ?? [];
  return addresses.map((address) => {
    const socket = address.socketAddress;
    return `${socket?.address ?? ""}:${socket?.portValue ?? 53}`;
  });
}
