export const supported = {
  "envoy.extensions.filters.http.health_check.v3.HealthCheck": [
    "pass_through_mode",
    "cache_time",
    "cluster_min_healthy_percentages",
    "headers",
  ],
  "envoy.type.v3.Percent": ["value"],
} as const;
