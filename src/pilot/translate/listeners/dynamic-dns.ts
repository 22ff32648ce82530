/** Filters that look up what requests and TLS connections name. */

import type { FilterJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { DnsCacheConfigJson } from "#gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js";
import type { Service } from "#model/service.ts";
import { packed } from "../any.ts";
import { dynamicDnsCluster } from "../destination.ts";
import { dnsCache, isDynamic } from "../dynamic-dns.ts";
import { outboundTrafficPolicy } from "../outbound-traffic-policy.ts";
import type { TcpContext } from "./tcp-proxy.ts";

/** Caches of all clusters that HTTP requests to a port can be routed to; undefined: any port. */
export function dnsCachesFor(
  port: number | undefined,
  { scope, traits }: TcpContext,
): readonly DnsCacheConfigJson[] {
  const family = traits.wildcard === "::" ? "V6" : "V4";
  const names = dynamicServices(scope.services)
    .filter(({ ports }) => port === undefined || ports.some(({ number }) => number === port))
    .map(({ hostname }) => hostname);
  const any =
    scope.type !== "router" && outboundTrafficPolicy(scope).httpCluster === dynamicDnsCluster;
  return [...names, ...(any ? [dynamicDnsCluster] : [])].map((name) => dnsCache(name, family));
}

const dynamic = new WeakMap<readonly Service[], readonly Service[]>();

function dynamicServices(services: readonly Service[]): readonly Service[] {
  return dynamic.getOrInsertComputed(services, (list) => list.filter(isDynamic));
}

/** Before the TCP proxy of a chain towards such a service: the client's server name is the destination. */
export function serverNameLookup(
  { hostname }: Service,
  portValue: number,
  { traits }: TcpContext,
): FilterJson {
  const type = "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig";
  const dnsCacheConfig = dnsCache(hostname, traits.wildcard === "::" ? "V6" : "V4");
  return {
    name: "envoy.filters.network.sni_dynamic_forward_proxy",
    typedConfig: packed(type, { portValue, dnsCacheConfig }),
  };
}
