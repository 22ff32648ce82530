export const supported = {
  "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig": [
    "name",
    "dns_lookup_family",
    "dns_refresh_rate",
    "dns_min_refresh_rate",
    "host_ttl",
    "max_hosts",
    "dns_failure_refresh_rate",
    "dns_cache_circuit_breaker",
    "typed_dns_resolver_config",
    "preresolve_hostnames",
    "dns_query_timeout",
  ],
  "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheCircuitBreakers": [
    "max_pending_requests",
  ],
  "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig": [
    "dns_cache_config",
    "allow_insecure_cluster_options",
  ],
} as const;
