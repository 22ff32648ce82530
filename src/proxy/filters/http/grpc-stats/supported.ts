export const supported = {
  "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig": [
    "emit_filter_state",
    "individual_method_stats_allowlist",
    "stats_for_all_methods",
    "enable_upstream_stats",
    "replace_dots_in_grpc_service_name",
  ],
  "envoy.config.core.v3.GrpcMethodList": ["services"],
  "envoy.config.core.v3.GrpcMethodList.Service": ["name", "method_names"],
} as const;
