export const supported = {
  "envoy.extensions.filters.http.router.v3.Router": [
    "dynamic_stats",
    "suppress_envoy_headers",
    "respect_expected_rq_timeout",
    "strict_check_headers",
  ],
} as const;
