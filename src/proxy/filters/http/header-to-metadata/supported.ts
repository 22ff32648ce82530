export const supported = {
  "envoy.extensions.filters.http.header_to_metadata.v3.Config": [
    "request_rules",
    "response_rules",
    "stat_prefix",
  ],
  "envoy.extensions.filters.http.header_to_metadata.v3.Config.Rule": [
    "header",
    "cookie",
    "on_header_present",
    "on_header_missing",
    "remove",
  ],
  "envoy.extensions.filters.http.header_to_metadata.v3.Config.KeyValuePair": [
    "metadata_namespace",
    "key",
    "value",
    "regex_value_rewrite",
    "type",
    "encode",
  ],
} as const;
