export const supported = {
  "envoy.extensions.filters.network.sni_cluster.v3.SniCluster": [],
} as const;
