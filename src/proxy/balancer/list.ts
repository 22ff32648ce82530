import type {
  ClusterJson,
  LoadBalancingPolicy_PolicyJson,
} from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { LocalityLbConfigJson } from "#gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js";
import type { LeastRequestJson } from "#gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js";
import { refuse } from "#lib/config-error.ts";
import { clusterType } from "../cluster/cluster-type.ts";
import type { BalancerConfig, BalancerFactory } from "./balancer.ts";
import { leastRequest } from "./least-request.ts";
import { randomBalancer } from "./random.ts";
import { roundRobin } from "./round-robin.ts";

const balancers: readonly BalancerFactory[] = [roundRobin, randomBalancer, leastRequest];

export interface ChosenBalancer {
  /** Undefined: the cluster's type chooses the hosts (CLUSTER_PROVIDED). */
  readonly factory: BalancerFactory | undefined;
  readonly config: BalancerConfig | undefined;
  /** Localities by their weights first. */
  readonly localityWeighted: boolean;
  readonly failTrafficOnPanic: boolean;
}

const types: Readonly<Record<string, BalancerFactory | "provided">> = {
  "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin": roundRobin,
  "envoy.extensions.load_balancing_policies.random.v3.Random": randomBalancer,
  "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest": leastRequest,
  "envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided": "provided",
};

/** `load_balancing_policy` when there is one, else `lb_policy`. */
export function chooseBalancer(config: ClusterJson): ChosenBalancer {
  const chosen = chosenBy(config);
  const provides = clusterType(config) === "ORIGINAL_DST";
  if (provides && chosen.factory !== undefined) {
    throw refuse(
      "lb_policy",
      "only CLUSTER_PROVIDED is allowed with the cluster type ORIGINAL_DST",
    );
  }
  if (!provides && chosen.factory === undefined) {
    throw refuse(
      "lb_policy",
      `cluster provided LB specified but cluster '${config.name}' did not provide one`,
    );
  }
  return chosen;
}

function chosenBy(config: ClusterJson): ChosenBalancer {
  const policies = config.loadBalancingPolicy?.policies;
  if (policies !== undefined) return chooseExtension(policies);
  const common = config.commonLbConfig;
  const shared = {
    config: config.leastRequestLbConfig,
    localityWeighted: common?.localityWeightedLbConfig !== undefined,
    failTrafficOnPanic: common?.zoneAwareLbConfig?.failTrafficOnPanic === true,
  };
  const name = config.lbPolicy ?? "ROUND_ROBIN";
  if (name === "CLUSTER_PROVIDED") return { factory: undefined, ...shared };
  const factory = balancers.find(({ policy }) => policy === name);
  if (factory === undefined) throw refuse("lb_policy", `${name} is not supported by Heddle`);
  return { factory, ...shared };
}

/** The first one we know, as Envoy: the others are fallbacks for older proxies. */
function chooseExtension(policies: readonly LoadBalancingPolicy_PolicyJson[]): ChosenBalancer {
  for (const policy of policies) {
    const any = policy.typedExtensionConfig?.typedConfig;
    const type = String(any?.["@type"] ?? "").split("/");
    const known = types[type[type.length - 1] ?? ""];
    if (known === undefined) continue;
    // Proof: the Any's type is in the table above, and all of those have these fields or fewer.
    const typed = any as LeastRequestJson & { readonly localityLbConfig?: LocalityLbConfigJson };
    const locality = typed.localityLbConfig;
    return {
      factory: known === "provided" ? undefined : known,
      config: typed,
      localityWeighted: locality?.localityWeightedLbConfig !== undefined,
      failTrafficOnPanic: locality?.zoneAwareLbConfig?.failTrafficOnPanic === true,
    };
  }
  throw refuse("load_balancing_policy", "none of the policies is supported by Heddle");
}
