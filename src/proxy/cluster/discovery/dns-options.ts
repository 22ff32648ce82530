import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { AddressJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import type { CaresDnsResolverConfigJson } from "#gen/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { dnsClusterOf } from "../cluster-type.ts";

export type LookupFamily = "AUTO" | "V4_ONLY" | "V6_ONLY" | "V4_PREFERRED" | "ALL";

/** How names are resolved. */
export interface ResolverOptions {
  /** The system's getaddrinfo instead of asking servers. */
  readonly getaddrinfo: boolean;
  /** `address:port`; empty: the system's. */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  readonly tries: number;
  /** A name without addresses is a failure that says why, and not an empty answer. */
  readonly absenceFails?: boolean;
}

/** The options of a DNS cluster, from the cluster's own fields or from its `envoy.clusters.dns` extension. */
export interface DnsOptions {
  /** One host, whatever the number of addresses (LOGICAL_DNS). */
  readonly logical: boolean;
  readonly refreshMs: number;
  /** Undefined: after a failure as after a success. */
  readonly failure: { readonly baseMs: number; readonly maxMs: number } | undefined;
  readonly respectTtl: boolean;
  readonly jitterMs: number;
  readonly family: LookupFamily;
  readonly resolver: ResolverOptions;
}

export function dnsOptions(config: ClusterJson, type: "STRICT_DNS" | "LOGICAL_DNS"): DnsOptions {
  const source = dnsClusterOf(config) ?? config;
  const refreshMs = within("dns_refresh_rate", () => durationMs(source.dnsRefreshRate, 5000));
  const rate = source.dnsFailureRefreshRate;
  const family = source.dnsLookupFamily ?? "AUTO";
  const logical = type === "LOGICAL_DNS";
  if (logical) checkSingleEndpoint(config);
  return {
    logical,
    refreshMs,
    failure:
      rate === undefined ? undefined : within("dns_failure_refresh_rate", () => failureRate(rate)),
    respectTtl: source.respectDnsTtl === true,
    jitterMs: within("dns_jitter", () => durationMs(source.dnsJitter, 0)),
    family: family === "UNSPECIFIED" ? "AUTO" : family,
    resolver: within("typed_dns_resolver_config", () =>
      resolverOptions(source.typedDnsResolverConfig),
    ),
  };
}

export function failureRate(
  rate: NonNullable<ClusterJson["dnsFailureRefreshRate"]>,
): NonNullable<DnsOptions["failure"]> {
  const baseMs = durationMs(rate.baseInterval, 0);
  const maxMs = durationMs(rate.maxInterval, baseMs * 10);
  if (maxMs < baseMs)
    throw refuse("", "must have a base_interval less than or equal to the max_interval");
  return { baseMs, maxMs };
}

function checkSingleEndpoint(config: ClusterJson): void {
  const groups = config.loadAssignment?.endpoints ?? [];
  if (groups.length === 1 && groups[0]?.lbEndpoints?.length === 1) return;
  throw refuse(
    "load_assignment",
    "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint",
  );
}

const defaultTimeoutSeconds = 5;
const defaultTries = 4;

export function resolverOptions(extension: TypedExtensionConfigJson | undefined): ResolverOptions {
  const typed = extension?.typedConfig;
  const type = String(typed?.["@type"] ?? "");
  if (typed !== undefined && !type.endsWith(".CaresDnsResolverConfig")) {
    if (!type.endsWith(".GetAddrInfoDnsResolverConfig"))
      throw refuse("", `${type} is not supported by Heddle`);
    return { getaddrinfo: true, servers: [], timeoutMs: 0, tries: 0 };
  }
  // Proof: absent, or the Any says it is one.
  const cares = (typed ?? {}) as CaresDnsResolverConfigJson;
  return {
    getaddrinfo: false,
    servers: (cares.resolvers ?? []).map(serverText),
    timeoutMs: Number(cares.queryTimeoutSeconds ?? defaultTimeoutSeconds) * 1000,
    tries: cares.queryTries ?? defaultTries,
  };
}

function serverText(address: AddressJson): string {
  const ip = address.socketAddress?.address ?? "";
  const port = address.socketAddress?.portValue || 53;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
