export const supported = {
  "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit": [
    "stat_prefix",
    "enable_mode",
    "limit_kbps",
    "fill_interval",
    "runtime_enabled",
    "enable_response_trailers",
    "response_trailer_prefix",
  ],
  "envoy.config.core.v3.RuntimeFeatureFlag": ["default_value", "runtime_key"],
} as const;
