import type { Resolver as DnsResolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { LookupFamily, ResolverOptions } from "./dns-options.ts";

export interface ResolvedAddress {
  readonly ip: string;
  /** Undefined: the source has none (hosts file). */
  readonly ttlSeconds: number | undefined;
}

/** Turns a name into addresses of one family; an unknown name is an empty list, a failing server a rejection. */
export interface Resolver {
  resolve(name: string, family: 4 | 6): Promise<readonly ResolvedAddress[]>;
}

/** Loaded with the first name to resolve. */
function nodeDns(): typeof import("node:dns/promises") {
  return process.getBuiltinModule("node:dns/promises");
}

/** The hosts file first, then servers, as c-ares does in Envoy; the system's search list is left to getaddrinfo. */
export function systemResolver(options: ResolverOptions, hostsFile = "/etc/hosts"): Resolver {
  const absenceFails = options.absenceFails === true;
  if (options.getaddrinfo) return { resolve: (name, family) => lookUp(name, family, absenceFails) };
  const dns = new (nodeDns().Resolver)({ timeout: options.timeoutMs, tries: options.tries });
  if (options.servers.length > 0) dns.setServers(options.servers);
  return {
    resolve: async (name, family) => {
      if (isIP(name) !== 0)
        return isIP(name) === family ? [{ ip: name, ttlSeconds: undefined }] : [];
      const listed = await inHostsFile(hostsFile, name, family);
      if (listed.length > 0) return listed;
      const named = options.servers.length > 0;
      const found = await ask(dns, { name, family, absenceFails: absenceFails && named });
      return found.length > 0 || named ? found : lookUp(name, family, absenceFails);
    },
  };
}

interface Question {
  readonly name: string;
  readonly family: 4 | 6;
  readonly absenceFails: boolean;
}

async function ask(
  dns: DnsResolver,
  { name, family, absenceFails }: Question,
): Promise<readonly ResolvedAddress[]> {
  try {
    const records =
      family === 4
        ? await dns.resolve4(name, { ttl: true })
        : await dns.resolve6(name, { ttl: true });
    return records.map(({ address, ttl }) => ({ ip: address, ttlSeconds: ttl }));
  } catch (error) {
    if (isAbsence(error) && !absenceFails) return [];
    throw error;
  }
}

async function lookUp(
  name: string,
  family: 4 | 6,
  absenceFails: boolean,
): Promise<readonly ResolvedAddress[]> {
  try {
    const found = await nodeDns().lookup(name, { family, all: true });
    return found.map(({ address }) => ({ ip: address, ttlSeconds: undefined }));
  } catch (error) {
    if (isAbsence(error) && !absenceFails) return [];
    throw error;
  }
}

/** The name, or addresses of this family, do not exist: an answer and not a failure. */
function isAbsence(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "ENODATA" || error.code === "ENOTFOUND";
}

async function inHostsFile(
  path: string,
  name: string,
  family: 4 | 6,
): Promise<readonly ResolvedAddress[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const wanted = name.toLowerCase();
  const found: ResolvedAddress[] = [];
  for (const line of text.split("\n")) {
    const [ip = "", ...names] = line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/);
    if (isIP(ip) === family && names.includes(wanted)) found.push({ ip, ttlSeconds: undefined });
  }
  return found;
}

/** By the families that are wanted. */
export async function resolveName(
  resolver: Resolver,
  name: string,
  family: LookupFamily,
): Promise<readonly ResolvedAddress[]> {
  switch (family) {
    case "V4_ONLY":
      return resolver.resolve(name, 4);
    case "V6_ONLY":
      return resolver.resolve(name, 6);
    case "ALL":
      return (await Promise.all([resolver.resolve(name, 4), resolver.resolve(name, 6)])).flat();
    case "V4_PREFERRED":
      return firstOf(resolver, name, [4, 6]);
    case "AUTO":
      return firstOf(resolver, name, [6, 4]);
  }
}

/** The other family is asked when the preferred one has no address or cannot be asked. */
async function firstOf(
  resolver: Resolver,
  name: string,
  [preferred, other]: readonly [4 | 6, 4 | 6],
): Promise<readonly ResolvedAddress[]> {
  const found = await resolver.resolve(name, preferred).catch(() => []);
  return found.length > 0 ? found : resolver.resolve(name, other);
}
