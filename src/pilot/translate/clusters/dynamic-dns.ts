import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterConfigJson } from "#gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { packed } from "../any.ts";
import { dynamicDnsCluster } from "../destination.ts";
import { dnsCache } from "../dynamic-dns.ts";
import { applyConnectionPool } from "./connection-pool.ts";
import { type ClusterDraft, draftOf, finished } from "./draft.ts";
import type { Flavour } from "./flavour.ts";

export interface DynamicDns {
  /** Of its cache, which the filter before it fills. */
  readonly name: string;
  readonly family: Flavour["family"];
  /** Whoever answers is trusted: the rule says not to verify. */
  readonly insecure: boolean;
}

/** Makes its endpoints those that requests name. */
export function applyDynamicDns(draft: ClusterDraft, { name, family, insecure }: DynamicDns): void {
  const { cluster } = draft;
  // Envoy wants it also where there is no TLS: a server must be who the request named.
  draft.http = {
    ...draft.http,
    upstreamHttpProtocolOptions: {
      autoSni: true,
      ...(insecure ? {} : { autoSanValidation: true }),
    },
  };
  const config: ClusterConfigJson = {
    dnsCacheConfig: dnsCache(name, family === "V6" ? "V6" : "V4"),
    ...(insecure ? { allowInsecureClusterOptions: true } : {}),
  };
  delete cluster.type;
  delete cluster.leastRequestLbConfig;
  cluster.commonLbConfig = {};
  cluster.lbPolicy = "CLUSTER_PROVIDED";
  cluster.clusterType = {
    name: "envoy.clusters.dynamic_forward_proxy",
    typedConfig: packed("envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig", config),
  };
}

/** `ALLOW_ANY_DYNAMIC_DNS`: where HTTP requests go that no service of the registry takes. */
export function anyHostCluster(mesh: MeshConfigJson, { family }: Flavour): ClusterJson {
  const draft = draftOf(dynamicDnsCluster, "STRICT_DNS");
  draft.http = {
    useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
  };
  applyConnectionPool(draft, mesh, {});
  applyDynamicDns(draft, { name: dynamicDnsCluster, family, insecure: false });
  return finished(draft);
}
