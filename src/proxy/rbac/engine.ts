import type { PolicyJson, RBACJson } from "#gen/envoy/config/rbac/v3/rbac_pb.js";
import type { RequestHead } from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { StreamInfo } from "../stream-info.ts";
import { compileCondition } from "./condition.ts";
import { anyOf, compilePermission, compilePrincipal, type Predicate } from "./rules.ts";

/** One object for each outcome: evaluation allocates nothing. */
export interface Outcome {
  readonly allowed: boolean;
  /** The first that matched, in name order, as Envoy; undefined: none did. */
  readonly policy: string | undefined;
}

export interface Engine {
  readonly action: "ALLOW" | "DENY" | "LOG";
  /** All that `evaluate` can answer. */
  readonly outcomes: readonly Outcome[];
  /** On a TCP connection there is no head: header rules see an empty one. */
  evaluate(info: StreamInfo, head: RequestHead | undefined): Outcome;
}

interface CompiledPolicy {
  readonly matches: Predicate;
  readonly matched: Outcome;
}

/** Rules to closures: OR over policies, each OR(permissions) AND OR(principals) AND its condition. */
export function compileRules(config: RBACJson): Engine {
  // The loader checked it to be one of the enum's names.
  const action = (config.action ?? "ALLOW") as Engine["action"];
  const names = Object.keys(config.policies ?? {}).sort();
  const policies = compileEach("policies", names, (name): CompiledPolicy => {
    const matches = compilePolicy(config.policies?.[name] ?? {});
    return { matches, matched: { allowed: action !== "DENY", policy: name } };
  });
  const unmatched: Outcome = { allowed: action !== "ALLOW", policy: undefined };
  return {
    action,
    outcomes: [...policies.map(({ matched }) => matched), unmatched],
    evaluate: (info, head) => {
      for (const policy of policies) if (policy.matches(info, head)) return policy.matched;
      return unmatched;
    },
  };
}

function compilePolicy(config: PolicyJson): Predicate {
  if (config.checkedCondition !== undefined && config.condition === undefined)
    throw refuse("checked_condition", "is not supported: give condition");
  const allowed = anyOf(compileEach("permissions", config.permissions, compilePermission));
  const known = anyOf(compileEach("principals", config.principals, compilePrincipal));
  const { condition } = config;
  if (condition === undefined) return (info, head) => allowed(info, head) && known(info, head);
  const holds = within("condition", () => compileCondition(condition));
  return (info, head) => allowed(info, head) && known(info, head) && holds(info, head);
}

/** Response code or connection termination details of a refusal: they stand in a log between spaces. */
export function deniedDetails({ policy }: Outcome): string {
  return `rbac_access_denied_matched_policy[${(policy ?? "none").replaceAll(/\s/g, "_")}]`;
}
