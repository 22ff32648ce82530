import type {
  DestinationRuleJson,
  SubsetJson,
  TrafficPolicyJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";

type Keys = readonly (string | number)[];

/** A traffic policy as it counts for one port of one subset, and the places it was put together from. */
export interface EffectivePolicy {
  readonly policy: TrafficPolicyJson;
  readonly sources: readonly Keys[];
}

const none: EffectivePolicy = { policy: {}, sources: [] };

/** The policy of a rule for calls of `port`, by way of `subset` when one is named. */
export function policyFor(
  rule: DestinationRuleJson | undefined,
  { port, subset }: { readonly port: number; readonly subset: string },
): EffectivePolicy {
  if (rule === undefined) return none;
  const base = atPort(rule.trafficPolicy, port, ["spec", "trafficPolicy"]);
  const index = subset === "" ? -1 : (rule.subsets ?? []).findIndex(({ name }) => name === subset);
  const named: SubsetJson | undefined = rule.subsets?.[index];
  if (named === undefined) return base;
  const where: Keys = ["spec", "subsets", index];
  if (named.trafficPolicy === undefined) {
    return { policy: base.policy, sources: [...base.sources, where] };
  }
  const own = atPort(named.trafficPolicy, port, [...where, "trafficPolicy"]);
  return {
    policy: overridden(base.policy, own.policy, own.ofPort),
    sources: [...base.sources, where, ...own.sources],
  };
}

/**
 * A port's own settings replace the whole policy: a block that they leave out has its default, not the destination's
 * (istio.md §1.2).
 */
function atPort(
  policy: TrafficPolicyJson | undefined,
  port: number,
  keys: Keys,
): EffectivePolicy & { readonly ofPort: boolean } {
  if (policy === undefined) return { ...none, ofPort: false };
  const { portLevelSettings = [], ...whole } = policy;
  const index = portLevelSettings.findIndex((candidate) => candidate.port?.number === port);
  const settings = portLevelSettings[index];
  if (settings === undefined) return { policy: whole, sources: [keys], ofPort: false };
  const { port: _port, ...blocks } = settings;
  return { policy: blocks, sources: [[...keys, "portLevelSettings", index]], ofPort: true };
}

/** A subset's blocks win; its settings for a port leave none of the rule's four blocks in place. */
function overridden(
  base: TrafficPolicyJson,
  own: TrafficPolicyJson,
  ofPort: boolean,
): TrafficPolicyJson {
  const { loadBalancer, connectionPool, outlierDetection, tls, ...others } = base;
  return {
    ...others,
    ...(ofPort
      ? {}
      : {
          ...(loadBalancer === undefined ? {} : { loadBalancer }),
          ...(connectionPool === undefined ? {} : { connectionPool }),
          ...(outlierDetection === undefined ? {} : { outlierDetection }),
          ...(tls === undefined ? {} : { tls }),
        }),
    ...own,
  };
}
