import { type Rule, rulesBehind } from "../provenance.ts";
import type { DestinationRule } from "../view.ts";
import type { EffectivePolicy } from "./traffic-policy.ts";

/** Where the parts of an effective policy were written: the rule at hand may be one of several merged into one. */
export function writtenRules(
  rule: DestinationRule | undefined,
  { sources }: EffectivePolicy,
): readonly Rule[] {
  if (rule === undefined) return [];
  if (sources.length === 0) return writtenOr(rulesBehind(rule), { object: rule, keys: ["spec"] });
  return sources.flatMap((keys) => {
    const [, block, index] = keys;
    const part =
      block === "subsets" && typeof index === "number"
        ? { made: rule.spec.subsets?.[index], rest: keys.slice(3) }
        : { made: rule.spec.trafficPolicy, rest: keys.slice(2) };
    const behind = part.made === undefined ? [] : rulesBehind(part.made);
    const written = behind.map((origin) => ({
      object: origin.object,
      keys: [...origin.keys, ...part.rest],
    }));
    return writtenOr(written, { object: rule, keys });
  });
}

function writtenOr(rules: readonly Rule[], otherwise: Rule): readonly Rule[] {
  return rules.length > 0 ? rules : [otherwise];
}
