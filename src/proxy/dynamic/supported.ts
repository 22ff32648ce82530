/** What configuration sources may say. */
export const supported = {
  "envoy.config.bootstrap.v3.Bootstrap": ["dynamic_resources"],
  "envoy.config.bootstrap.v3.Bootstrap.DynamicResources": [
    "lds_config",
    "cds_config",
    "ads_config",
  ],
  "envoy.config.core.v3.ConfigSource": [
    "path",
    "path_config_source",
    "ads",
    "self",
    "api_config_source",
    "initial_fetch_timeout",
    "resource_api_version",
  ],
  "envoy.config.core.v3.PathConfigSource": ["path", "watched_directory"],
  "envoy.config.core.v3.AggregatedConfigSource": [],
  "envoy.config.core.v3.SelfConfigSource": ["transport_api_version"],
  "envoy.config.core.v3.ApiConfigSource": [
    "api_type",
    "transport_api_version",
    "cluster_names",
    "grpc_services",
    "refresh_delay",
    "request_timeout",
    "rate_limit_settings",
    "set_node_on_first_message_only",
  ],
  "envoy.config.core.v3.RateLimitSettings": ["max_tokens", "fill_rate"],
  "envoy.config.core.v3.GrpcService": ["envoy_grpc", "timeout", "initial_metadata"],
  "envoy.config.core.v3.GrpcService.EnvoyGrpc": ["cluster_name", "authority"],
  "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": ["rds"],
  "envoy.extensions.filters.network.http_connection_manager.v3.Rds": [
    "config_source",
    "route_config_name",
  ],
} as const;
