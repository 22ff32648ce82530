export const supported = {
  "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig": [
    "dns_cache_config",
    "port_value",
  ],
} as const;
