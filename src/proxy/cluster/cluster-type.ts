import type {
  Cluster_DiscoveryTypeJson,
  ClusterJson,
} from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { DnsClusterJson } from "#gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.js";
import type { ClusterConfigJson } from "#gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js";
import { refuse } from "#lib/config-error.ts";

const dynamicClusterType = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig";
const dnsClusterType = "envoy.extensions.clusters.dns.v3.DnsCluster";

export type ClusterType = Cluster_DiscoveryTypeJson | "DYNAMIC_FORWARD_PROXY";

/** Envoy's names of the built-in types, as `cluster_type` spells them. */
const typeNames: Readonly<Record<string, Cluster_DiscoveryTypeJson>> = {
  "envoy.cluster.static": "STATIC",
  "envoy.cluster.strict_dns": "STRICT_DNS",
  "envoy.cluster.logical_dns": "LOGICAL_DNS",
  "envoy.cluster.eds": "EDS",
  "envoy.cluster.original_dst": "ORIGINAL_DST",
};

export const aggregateTypeName = "envoy.clusters.aggregate";

/** How the cluster finds its hosts, whichever of the two fields says it. */
export function clusterType(config: ClusterJson): ClusterType {
  if (config.clusterType === undefined) return config.type ?? "STATIC";
  const dns = dnsClusterOf(config);
  if (dns !== undefined) {
    return dns.allAddressesInSingleEndpoint === true ? "LOGICAL_DNS" : "STRICT_DNS";
  }
  if (dynamicClusterOf(config) !== undefined) return "DYNAMIC_FORWARD_PROXY";
  const name = config.clusterType.name ?? "";
  // It has no hosts of its own.
  if (name === aggregateTypeName) return "STATIC";
  const type = typeNames[name];
  if (type === undefined) throw refuse("cluster_type", `"${name}" is not supported by Heddle`);
  return type;
}

/** The options of the `envoy.clusters.dns` extension, if the cluster is one. */
export function dnsClusterOf(config: ClusterJson): DnsClusterJson | undefined {
  return extensionOf<DnsClusterJson>(config, dnsClusterType);
}

/** The options of the `envoy.clusters.dynamic_forward_proxy` extension, if the cluster is one. */
export function dynamicClusterOf(config: ClusterJson): ClusterConfigJson | undefined {
  return extensionOf<ClusterConfigJson>(config, dynamicClusterType);
}

function extensionOf<T>(config: ClusterJson, type: string): T | undefined {
  const typed = config.clusterType?.typedConfig;
  if (typed === undefined || !String(typed["@type"]).endsWith(`/${type}`)) return undefined;
  // Proof: the Any says it is one, and the configuration reader checked it against the message.
  return typed as T;
}
