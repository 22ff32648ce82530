import type {
  Cluster_SlowStartConfigJson,
  ClusterJson,
} from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type {
  LoadBalancerSettings_ConsistentHashLBJson,
  LoadBalancerSettingsJson,
  LocalityLoadBalancerSettingJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { ClusterDraft } from "./draft.ts";

export interface BalancingContext {
  /** Rule's or mesh's; undefined: localities do not count. */
  readonly locality: LocalityLoadBalancerSettingJson | undefined;
  /** A percentage; below it health does not count. */
  readonly panicThreshold: number;
}

/** How an endpoint is picked. Comes after outlier detection, which failover between localities depends on. */
export function applyLoadBalancer(
  draft: ClusterDraft,
  settings: LoadBalancerSettingsJson | undefined,
  { locality, panicThreshold }: BalancingContext,
): void {
  const { cluster } = draft;
  const { commonLbConfig = {} } = cluster;
  cluster.commonLbConfig = {
    ...commonLbConfig,
    // Zero is written too: Envoy's own default is 50.
    healthyPanicThreshold: { value: panicThreshold },
    ...(weighsLocalities(cluster, locality) ? { localityWeightedLbConfig: {} } : {}),
  };
  if (cluster.type === "ORIGINAL_DST") {
    cluster.lbPolicy = "CLUSTER_PROVIDED";
    return;
  }
  applySimple(cluster, settings);
  if (settings?.consistentHash !== undefined) applyHash(cluster, settings.consistentHash);
}

function weighsLocalities(
  { outlierDetection }: ClusterJson,
  locality: LocalityLoadBalancerSettingJson | undefined,
): boolean {
  if (locality === undefined) return false;
  const { distribute = [], failover = [], failoverPriority = [] } = locality;
  if (distribute.length > 0) return true;
  return outlierDetection !== undefined && failover.length + failoverPriority.length > 0;
}

function applySimple(cluster: ClusterJson, settings: LoadBalancerSettingsJson | undefined): void {
  const slowStartConfig = slowStart(settings);
  switch (settings?.simple) {
    case "RANDOM":
      cluster.lbPolicy = "RANDOM";
      return;
    case "PASSTHROUGH":
      cluster.lbPolicy = "CLUSTER_PROVIDED";
      cluster.type = "ORIGINAL_DST";
      delete cluster.loadAssignment;
      return;
    case "ROUND_ROBIN":
      cluster.lbPolicy = "ROUND_ROBIN";
      if (slowStartConfig !== undefined) cluster.roundRobinLbConfig = { slowStartConfig };
      return;
    default:
      cluster.lbPolicy = "LEAST_REQUEST";
      if (slowStartConfig !== undefined) cluster.leastRequestLbConfig = { slowStartConfig };
  }
}

/** Warm-up. The runtime key is Istio's: required by Envoy, and not meant to be set. */
function slowStart(
  settings: LoadBalancerSettingsJson | undefined,
): Cluster_SlowStartConfigJson | undefined {
  const { warmup, warmupDurationSecs } = settings ?? {};
  if (warmup?.duration !== undefined) {
    return {
      slowStartWindow: warmup.duration,
      aggression: { defaultValue: warmup.aggression ?? 1, runtimeKey: "(" },
      minWeightPercent: { value: warmup.minimumPercent ?? 10 },
    };
  }
  return warmupDurationSecs === undefined ? undefined : { slowStartWindow: warmupDurationSecs };
}

function applyHash(cluster: ClusterJson, hash: LoadBalancerSettings_ConsistentHashLBJson): void {
  delete cluster.roundRobinLbConfig;
  delete cluster.leastRequestLbConfig;
  if (hash.maglev !== undefined) {
    cluster.lbPolicy = "MAGLEV";
    const size = given(hash.maglev.tableSize);
    if (size !== undefined) cluster.maglevLbConfig = { tableSize: size };
    return;
  }
  cluster.lbPolicy = "RING_HASH";
  const size =
    hash.ringHash === undefined
      ? (given(hash.minimumRingSize) ?? "1024")
      : given(hash.ringHash.minimumRingSize);
  if (size !== undefined) cluster.ringHashLbConfig = { minimumRingSize: size };
}

/** A 64-bit number is a string in ProtoJSON; zero is "not set". */
function given(size: string | undefined): string | undefined {
  return size === undefined || size === "0" ? undefined : size;
}
