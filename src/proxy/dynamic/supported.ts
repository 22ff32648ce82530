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
  "envoy.config.core.v3.GrpcService": ["envoy_grpc", "timeout", "initial_metadata", "retry_policy"],
  "envoy.config.core.v3.GrpcService.EnvoyGrpc": ["cluster_name", "authority", "retry_policy"],
  "envoy.config.core.v3.RetryPolicy": ["retry_back_off"],
  "envoy.config.core.v3.BackoffStrategy": ["base_interval", "max_interval"],
  "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": [
    "rds",
    "scoped_routes",
  ],
  "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes": [
    "name",
    "scope_key_builder",
    "rds_config_source",
    "scoped_route_configurations_list",
    "scoped_rds",
  ],
  "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList": [
    "scoped_route_configurations",
  ],
  "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds": [
    "scoped_rds_config_source",
  ],
  "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder": [
    "fragments",
  ],
  "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder":
    ["header_value_extractor"],
  "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor":
    ["name", "element_separator", "index", "element"],
  "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement":
    ["separator", "key"],
  "envoy.config.route.v3.RouteConfiguration": ["vhds"],
  "envoy.config.route.v3.Vhds": ["config_source"],
  "envoy.config.route.v3.ScopedRouteConfiguration": [
    "name",
    "route_configuration_name",
    "route_configuration",
    "key",
  ],
  "envoy.config.route.v3.ScopedRouteConfiguration.Key": ["fragments"],
  "envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment": ["string_key"],
  "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": ["config_discovery"],
  "envoy.config.core.v3.ExtensionConfigSource": [
    "config_source",
    "default_config",
    "apply_default_config_without_warming",
    "type_urls",
  ],
  "envoy.extensions.filters.network.http_connection_manager.v3.Rds": [
    "config_source",
    "route_config_name",
  ],
} as const;
