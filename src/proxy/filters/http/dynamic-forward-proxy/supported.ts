export const supported = {
  "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig": ["dns_cache_config"],
  "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig": [
    "host_rewrite_literal",
    "host_rewrite_header",
  ],
} as const;
