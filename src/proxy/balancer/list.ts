import type {
  ClusterJson,
  LoadBalancingPolicy_PolicyJson,
} from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClientSideWeightedRoundRobinJson } from "#gen/envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin_pb.js";
import type {
  LocalityLbConfigJson,
  LocalityLbConfig_ZoneAwareLbConfigJson as ZoneAwareConfig,
} from "#gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js";
import type { LeastRequestJson } from "#gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js";
import type { MaglevJson } from "#gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js";
import type { RingHashJson } from "#gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js";
import type { SubsetJson } from "#gen/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { aggregateTypeName, clusterType } from "../cluster/cluster-type.ts";
import type { BalancerConfig, BalancerFactory } from "./balancer.ts";
import { compileLoadWeighing } from "./client-side-weighted-round-robin.ts";
import { compileHashing, compileLegacyHashing } from "./hashing-config.ts";
import { leastRequest } from "./least-request.ts";
import { maglev } from "./maglev.ts";
import { randomBalancer } from "./random.ts";
import { ringHash } from "./ring-hash.ts";
import { roundRobin } from "./round-robin.ts";
import { compileLegacySubsets, compileSubsets, type SubsetConfig } from "./subset-config.ts";

const balancers: readonly BalancerFactory[] = [
  roundRobin,
  randomBalancer,
  leastRequest,
  ringHash,
  maglev,
];

export interface ChosenBalancer {
  /** Undefined: the cluster's type chooses the hosts (CLUSTER_PROVIDED). */
  readonly factory: BalancerFactory | undefined;
  readonly config: BalancerConfig | undefined;
  /** Localities by their weights first. */
  readonly localityWeighted: boolean;
  readonly failTrafficOnPanic: boolean;
  /** Undefined: the cluster is one. */
  readonly subsets?: SubsetConfig | undefined;
  readonly zoneAware: ZoneAwareConfig;
}

const types: Readonly<Record<string, BalancerFactory | "provided">> = {
  "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin": roundRobin,
  "envoy.extensions.load_balancing_policies.random.v3.Random": randomBalancer,
  "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest": leastRequest,
  "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash": ringHash,
  "envoy.extensions.load_balancing_policies.maglev.v3.Maglev": maglev,
  "envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided": "provided",
};

const clientSideType =
  "envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin";
const subsetType = "envoy.extensions.load_balancing_policies.subset.v3.Subset";

/** `load_balancing_policy` when there is one, else `lb_policy`. */
export function chooseBalancer(config: ClusterJson): ChosenBalancer {
  const chosen = chosenBy(config);
  const type = clusterType(config);
  if (
    config.commonLbConfig?.consistentHashingLbConfig?.useHostnameForHashing === true &&
    type !== "STRICT_DNS"
  ) {
    throw refuse(
      "common_lb_config.consistent_hashing_lb_config",
      `Cannot use hostname for consistent hashing loadbalancing for cluster of type: 'envoy.cluster.${type.toLowerCase()}'`,
    );
  }
  const provides = type === "ORIGINAL_DST" || config.clusterType?.name === aggregateTypeName;
  if (provides && chosen.factory !== undefined) {
    throw refuse(
      "lb_policy",
      `only CLUSTER_PROVIDED is allowed with the cluster type ${config.clusterType?.name ?? type}`,
    );
  }
  const dynamic = type === "DYNAMIC_FORWARD_PROXY";
  if (dynamic && chosen.factory !== undefined) {
    throw refuse(
      "lb_policy",
      `cluster provided LB not specified but cluster '${config.name}' provided one. Check cluster documentation`,
    );
  }
  if (!provides && !dynamic && chosen.factory === undefined) {
    throw refuse(
      "lb_policy",
      `cluster provided LB specified but cluster '${config.name}' did not provide one`,
    );
  }
  return chosen;
}

function chosenBy(cluster: ClusterJson): ChosenBalancer {
  const policies = cluster.loadBalancingPolicy?.policies;
  if (policies !== undefined && cluster.lbSubsetConfig !== undefined)
    throw refuse(
      "lb_subset_config",
      "load_balancing_policy cannot be combined with lb_subset_config",
    );
  if (policies !== undefined) return chooseExtension(policies);
  const common = cluster.commonLbConfig;
  const shared = {
    config:
      cluster.lbPolicy === "LEAST_REQUEST"
        ? cluster.leastRequestLbConfig
        : cluster.roundRobinLbConfig,
    localityWeighted: common?.localityWeightedLbConfig !== undefined,
    failTrafficOnPanic: common?.zoneAwareLbConfig?.failTrafficOnPanic === true,
    zoneAware: common?.zoneAwareLbConfig ?? {},
  };
  const subsets = compileLegacySubsets(cluster);
  const name = cluster.lbPolicy ?? "ROUND_ROBIN";
  if (name === "CLUSTER_PROVIDED") return { factory: undefined, ...shared };
  const factory = balancers.find(({ policy }) => policy === name);
  if (factory === undefined) throw refuse("lb_policy", `${name} is not supported by Heddle`);
  if (factory.byHash === undefined) return { factory, ...shared, subsets };
  const config = { hashing: compileLegacyHashing(cluster) };
  return { ...shared, factory, config, failTrafficOnPanic: false, subsets };
}

/** The first one we know, as Envoy: the others are fallbacks for older proxies. */
function chooseExtension(policies: readonly LoadBalancingPolicy_PolicyJson[]): ChosenBalancer {
  for (const policy of policies) {
    const any = policy.typedExtensionConfig?.typedConfig;
    const type =
      String(any?.["@type"] ?? "")
        .split("/")
        .pop() ?? "";
    // Proof of both: the Any's type.
    if (type === subsetType) return chooseSubsets(any as SubsetJson);
    if (type === clientSideType) return chooseClientSide(any as ClientSideWeightedRoundRobinJson);
    const known = types[type];
    if (known === undefined) continue;
    if (known !== "provided" && known.byHash === true) return chooseHashing(known, any);
    // Proof: the Any's type is in the table above, and all of those have these fields or fewer.
    const typed = any as LeastRequestJson & { readonly localityLbConfig?: LocalityLbConfigJson };
    const locality = typed.localityLbConfig;
    return {
      factory: known === "provided" ? undefined : known,
      config: typed,
      localityWeighted: locality?.localityWeightedLbConfig !== undefined,
      failTrafficOnPanic: locality?.zoneAwareLbConfig?.failTrafficOnPanic === true,
      zoneAware: locality?.zoneAwareLbConfig ?? {},
    };
  }
  throw refuse("load_balancing_policy", "none of the policies is supported by Heddle");
}

function chooseSubsets(config: SubsetJson): ChosenBalancer {
  return within("load_balancing_policy", () => ({
    ...within("subset_lb_policy", () => chooseExtension(config.subsetLbPolicy?.policies ?? [])),
    subsets: compileSubsets(config),
  }));
}

function chooseClientSide(config: ClientSideWeightedRoundRobinJson): ChosenBalancer {
  const loadWeighing = within("load_balancing_policy", () => compileLoadWeighing(config));
  const { slowStartConfig } = config;
  return {
    factory: roundRobin,
    config: { loadWeighing, ...(slowStartConfig === undefined ? {} : { slowStartConfig }) },
    localityWeighted: false,
    failTrafficOnPanic: false,
    zoneAware: {},
  };
}

function chooseHashing(factory: BalancerFactory, any: unknown): ChosenBalancer {
  // Proof: the Any's type is one of these two, and each leaves the other's fields out.
  const typed = any as RingHashJson & MaglevJson;
  return {
    factory,
    config: { hashing: within("load_balancing_policy", () => compileHashing(typed)) },
    localityWeighted: typed.localityWeightedLbConfig !== undefined,
    failTrafficOnPanic: false,
    zoneAware: {},
  };
}
