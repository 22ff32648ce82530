/** The fields of the bootstrap's `stats_config` that stats-config.ts compiles. */
export const supported = {
  "envoy.config.bootstrap.v3.Bootstrap": ["stats_config", "stats_flush_interval"],
  "envoy.config.metrics.v3.StatsConfig": [
    "stats_tags",
    "use_all_default_tags",
    "stats_matcher",
    "histogram_bucket_settings",
  ],
  "envoy.config.metrics.v3.TagSpecifier": ["tag_name", "regex", "fixed_value"],
  "envoy.config.metrics.v3.StatsMatcher": ["reject_all", "exclusion_list", "inclusion_list"],
  "envoy.config.metrics.v3.HistogramBucketSettings": ["match", "buckets"],
} as const;
