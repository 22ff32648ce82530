export const supported = {
  "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit": [
    "stat_prefix",
    "token_bucket",
    "runtime_enabled",
  ],
  "envoy.type.v3.TokenBucket": ["max_tokens", "tokens_per_fill", "fill_interval"],
  "envoy.config.core.v3.RuntimeFeatureFlag": ["default_value", "runtime_key"],
} as const;
