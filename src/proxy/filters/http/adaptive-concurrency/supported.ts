export const supported = {
  "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency": [
    "gradient_controller_config",
    "enabled",
    "concurrency_limit_exceeded_status",
  ],
  "envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig": [
    "sample_aggregate_percentile",
    "concurrency_limit_params",
    "min_rtt_calc_params",
  ],
  "envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig.ConcurrencyLimitCalculationParams":
    ["max_concurrency_limit", "concurrency_update_interval"],
  "envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig.MinimumRTTCalculationParams":
    ["interval", "request_count", "jitter", "min_concurrency", "buffer"],
  "envoy.type.v3.HttpStatus": ["code"],
  "envoy.type.v3.Percent": ["value"],
} as const;
