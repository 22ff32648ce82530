import type { DnsCacheConfigJson } from "#gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import {
  failureRate,
  type LookupFamily,
  type ResolverOptions,
  resolverOptions,
} from "../cluster/discovery/dns-options.ts";

export interface DnsCacheOptions {
  readonly name: string;
  readonly family: LookupFamily;
  /** Where answers have no TTL, and after failures without `failure`. */
  readonly refreshMs: number;
  /** No name is asked for again sooner, whatever its TTL or back-off. */
  readonly refreshMsMin: number;
  readonly failure: { readonly baseMs: number; readonly maxMs: number } | undefined;
  /** Names that nobody used for so long are forgotten. */
  readonly hostTtlMs: number;
  readonly hostsMax: number;
  readonly pendingMax: number;
  readonly queryTimeoutMs: number;
  readonly resolver: ResolverOptions;
  /** Asked for before anyone needs them. */
  readonly preresolved: readonly { readonly host: string; readonly port: number }[];
}

export function compileDnsCache(config: DnsCacheConfigJson): DnsCacheOptions {
  const name = config.name ?? "";
  if (name === "") throw refuse("name", "is required");
  const rate = config.dnsFailureRefreshRate;
  return {
    name,
    family: config.dnsLookupFamily ?? "AUTO",
    refreshMs: positiveMs("dns_refresh_rate", config.dnsRefreshRate, 60_000),
    refreshMsMin: refreshMinimum(config.dnsMinRefreshRate),
    failure:
      rate === undefined ? undefined : within("dns_failure_refresh_rate", () => failureRate(rate)),
    hostTtlMs: positiveMs("host_ttl", config.hostTtl, 300_000),
    hostsMax: config.maxHosts ?? 1024,
    pendingMax: config.dnsCacheCircuitBreaker?.maxPendingRequests ?? 1024,
    queryTimeoutMs: within("dns_query_timeout", () => durationMs(config.dnsQueryTimeout, 5000)),
    resolver: within("typed_dns_resolver_config", () => ({
      ...resolverOptions(config.typedDnsResolverConfig),
      absenceFails: true,
    })),
    preresolved: (config.preresolveHostnames ?? []).map(({ address = "", portValue = 0 }) => ({
      host: address,
      port: portValue,
    })),
  };
}

function refreshMinimum(value: string | undefined): number {
  const milliseconds = positiveMs("dns_min_refresh_rate", value, 5000);
  if (milliseconds < 1000) throw refuse("dns_min_refresh_rate", "must be at least 1s");
  return milliseconds;
}

function positiveMs(field: string, value: string | undefined, otherwise: number): number {
  const milliseconds = within(field, () => durationMs(value, otherwise));
  if (milliseconds <= 0) throw refuse(field, "must be greater than 0");
  return milliseconds;
}
