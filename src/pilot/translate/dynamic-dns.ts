/** Destinations that the request itself names: their addresses are looked up when they are called. */
import type { DnsCacheConfigJson } from "#gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js";
import { isHttp } from "#model/protocol.ts";
import type { Service, ServicePort } from "#model/service.ts";

export type AddressFamily = "V4" | "V6";

/** Filters and clusters that share a cache say the same of it, or Envoy refuses the second one. */
export function dnsCache(name: string, family: AddressFamily): DnsCacheConfigJson {
  return {
    name: `${name}_dfp_dns_cache`,
    dnsLookupFamily: family === "V6" ? "V6_ONLY" : "V4_ONLY",
  };
}

/** A request has a Host header and TLS a server name; other bytes name nobody. */
export function namesItsDestination({ protocol }: ServicePort): boolean {
  return isHttp(protocol) || protocol === "TLS";
}

export function isDynamic({ resolution }: Service): boolean {
  return resolution === "dynamic-dns";
}
