export const supported = {
  "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit": [
    "stat_prefix",
    "max_connections",
    "delay",
    "runtime_enabled",
  ],
  "envoy.config.core.v3.RuntimeFeatureFlag": ["default_value", "runtime_key"],
} as const;
