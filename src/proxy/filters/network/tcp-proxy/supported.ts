export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": [
    "stat_prefix",
    "cluster",
    "weighted_clusters",
    "idle_timeout",
    "access_log",
    "max_connect_attempts",
    "max_downstream_connection_duration",
    "max_downstream_connection_duration_jitter_percentage",
    "access_log_options",
    "backoff_options",
    "proxy_protocol_tlvs",
    "tunneling_config",
    "upstream_connect_mode",
    "max_early_data_bytes",
  ],
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster": ["clusters"],
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions": [
    "access_log_flush_interval",
    "flush_access_log_on_connected",
  ],
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig": [
    "hostname",
    "use_post",
    "post_path",
    "headers_to_add",
  ],
  "envoy.config.core.v3.BackoffStrategy": ["base_interval", "max_interval"],
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": [
    "name",
    "weight",
  ],
};
