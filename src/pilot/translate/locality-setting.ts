import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type {
  LocalityLoadBalancerSettingJson,
  TrafficPolicyJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { Service } from "#model/service.ts";

/** How the places of callers and endpoints count for one destination. */
export interface LocalityChoice {
  /** Undefined: not at all. */
  readonly setting: LocalityLoadBalancerSettingJson | undefined;
  /** Whether bad endpoints are recognized, without which nothing ever fails over (istio.md §1.2). */
  readonly failover: boolean;
}

const network = "topology.istio.io/network";
const region = "topology.kubernetes.io/region";
const zone = "topology.kubernetes.io/zone";
const subZone = "topology.istio.io/subzone";
const node = "kubernetes.io/hostname";

const distributions: Readonly<Record<string, readonly string[]>> = {
  PreferClose: [network, region, zone, subZone],
  PreferSameZone: [network, region, zone, subZone],
  PreferSameNode: [network, region, zone, subZone, node],
};

/** A rule's setting replaces the mesh's as a whole; a service's own wish stands between them. */
export function localityChoice(
  { loadBalancer, outlierDetection }: TrafficPolicyJson,
  { service, mesh }: { readonly service: Service; readonly mesh: MeshConfigJson },
): LocalityChoice {
  const failover = outlierDetection !== undefined;
  const own = loadBalancer?.localityLbSetting;
  if (own !== undefined) return { setting: enabled(own), failover };
  const wish = service.annotations["networking.istio.io/traffic-distribution"] ?? "";
  const labels = distributions[wish];
  if (labels !== undefined) return { setting: { failoverPriority: [...labels] }, failover: true };
  return { setting: enabled(mesh.localityLbSetting ?? {}), failover };
}

function enabled(
  setting: LocalityLoadBalancerSettingJson,
): LocalityLoadBalancerSettingJson | undefined {
  return setting.enabled === false ? undefined : setting;
}
