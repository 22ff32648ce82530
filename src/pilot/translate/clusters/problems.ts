import { formatPath } from "#config/place.ts";
import type {
  TrafficPolicy_PortTrafficPolicyJson,
  TrafficPolicyJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { rulesBehind } from "../../provenance.ts";
import type { DestinationRule, OutboundScope, ProxyView } from "../../view.ts";

/** What a rule asks of clusters and does not get. */
export interface ClusterProblem {
  /** `DestinationRule/default/reviews` */
  readonly object: string;
  readonly message: string;
}

const ofScope = new WeakMap<OutboundScope, readonly ClusterProblem[]>();

/** Of the rules of what the proxy may call, each problem once. */
export function clusterProblems({ scope }: ProxyView): readonly ClusterProblem[] {
  let found = ofScope.get(scope);
  if (found === undefined) {
    const rules = new Set(
      scope.services.flatMap(({ hostname }) => scope.destinationRule(hostname) ?? []),
    );
    const all = [...rules].flatMap((rule) => ruleProblems(rule, scope));
    found = [...new Map(all.map((problem) => [problem.message, problem])).values()];
    ofScope.set(scope, found);
  }
  return found;
}

type Keys = readonly (string | number)[];

/** A policy, the part of the rule that it was written in, and its place there. */
interface Written {
  readonly policy: TrafficPolicyJson | undefined;
  readonly part: object | undefined;
  readonly keys: Keys;
  readonly below: Keys;
}

function ruleProblems(rule: DestinationRule, scope: OutboundScope): readonly ClusterProblem[] {
  const { trafficPolicy, subsets = [], workloadSelector } = rule.spec;
  const mayUseCredentials = scope.type !== "sidecar" || workloadSelector !== undefined;
  const policies: readonly Written[] = [
    { policy: trafficPolicy, part: trafficPolicy, keys: ["spec", "trafficPolicy"], below: [] },
    ...subsets.map((subset, index) => ({
      policy: subset.trafficPolicy,
      part: subset,
      ...{ keys: ["spec", "subsets", index], below: ["trafficPolicy"] },
    })),
  ];
  return policies.flatMap(({ policy, part, keys, below }) => {
    // The rule at hand may be one of several merged into one.
    const [written = { object: rule, keys }] = part === undefined ? [] : rulesBehind(part);
    const { kind, metadata } = written.object;
    const object = `${kind}/${metadata.namespace}/${metadata.name}`;
    return unmet(policy, mayUseCredentials).map(([at, what]) => ({
      object,
      message: `${object} ${formatPath([...written.keys, ...below, ...at])}: ${what}`,
    }));
  });
}

type Unmet = readonly (readonly [at: Keys, what: string])[];

function unmet(policy: TrafficPolicyJson | undefined, mayUseCredentials: boolean): Unmet {
  if (policy === undefined) return [];
  const ports = policy.portLevelSettings ?? [];
  return [
    ...unmetBlocks(policy, mayUseCredentials),
    ...ports.flatMap((port, index) =>
      unmetBlocks(port, mayUseCredentials).map(
        ([at, what]) => [["portLevelSettings", index, ...at], what] as const,
      ),
    ),
    ...(policy.retryBudget?.budgetInterval === undefined
      ? []
      : [[["retryBudget", "budgetInterval"], "proxies have no such setting"] as const]),
  ];
}

function unmetBlocks(
  { tls, loadBalancer }: TrafficPolicyJson | TrafficPolicy_PortTrafficPolicyJson,
  mayUseCredentials: boolean,
): Unmet {
  const found: (readonly [Keys, string])[] = [];
  const { mode = "DISABLE", credentialName = "" } = tls ?? {};
  if (mode === "ISTIO_MUTUAL") {
    const why = "needs workload certificates, which Heddle does not have yet: calls are plain text";
    found.push([["tls", "mode"], `ISTIO_MUTUAL ${why}`]);
  } else if (mode !== "DISABLE" && credentialName !== "" && !mayUseCredentials) {
    const why = "counts on sidecars only with a workloadSelector: calls are plain text";
    found.push([["tls", "credentialName"], why]);
  }
  if (loadBalancer?.zoneAwareLbSetting !== undefined) {
    found.push([
      ["loadBalancer", "zoneAwareLbSetting"],
      "is not supported yet: it changes nothing",
    ]);
  }
  return found;
}
