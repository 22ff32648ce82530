import type { NetworkFilterFactory } from "../filter.ts";
import { SniCluster } from "./sni-cluster.ts";

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.sni_cluster",
  configType: "envoy.extensions.filters.network.sni_cluster.v3.SniCluster",
  compile: () => (stream) => new SniCluster(stream.info),
};
