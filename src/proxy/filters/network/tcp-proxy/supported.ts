export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": [
    "stat_prefix",
    "cluster",
    "weighted_clusters",
    "idle_timeout",
    "access_log",
    "max_connect_attempts",
    "max_downstream_connection_duration",
  ],
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster": ["clusters"],
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": [
    "name",
    "weight",
  ],
};
