import type { RBACJson } from "#gen/envoy/config/rbac/v3/rbac_pb.js";
import type { RequestHead } from "#http/message.ts";
import { within } from "#lib/config-error.ts";
import type { Counter, StatsScope } from "../stats/stats.ts";
import type { Json, StreamInfo } from "../stream-info.ts";
import { compileRules, type Engine, type Outcome } from "./engine.ts";

export interface EnforcerConfig {
  readonly rules?: RBACJson;
  readonly rulesStatPrefix?: string;
  readonly shadowRules?: RBACJson;
  readonly shadowRulesStatPrefix?: string;
}

/** Rules of one filter or route, and what an access log is told of each of their outcomes. */
export interface Enforcer {
  readonly rules: Evaluator | undefined;
  /** Evaluated, counted and reported, never enforced. */
  readonly shadowRules: Evaluator | undefined;
}

type Struct = { readonly [key: string]: Json };

/** Metadata of an outcome are made once, not by request. */
export class Evaluator {
  readonly engine: Engine;
  readonly #metadata: ReadonlyMap<Outcome, Struct>;

  constructor(engine: Engine, metadataPrefix: string | undefined) {
    this.engine = engine;
    const told = metadataPrefix === undefined ? [] : engine.outcomes;
    this.#metadata = new Map(
      told.map((outcome) => [outcome, metadataOf(outcome, metadataPrefix ?? "")]),
    );
  }

  evaluate(info: StreamInfo, head: RequestHead | undefined, namespace: string): Outcome {
    const outcome = this.engine.evaluate(info, head);
    addMetadata(info, namespace, this.#metadata.get(outcome));
    return outcome;
  }
}

function metadataOf({ policy, allowed }: Outcome, prefix: string): Struct {
  return {
    ...(policy === undefined ? {} : { [`${prefix}effective_policy_id`]: policy }),
    [`${prefix}engine_result`]: allowed ? "allowed" : "denied",
  };
}

/** One filter's metadata stay the shared object; only a second filter's are copied. */
function addMetadata(info: StreamInfo, namespace: string, values: Struct | undefined): void {
  if (values === undefined) return;
  info.dynamicMetadata ??= {};
  const all: Record<string, Struct> = info.dynamicMetadata;
  const before = all[namespace];
  all[namespace] = before === undefined ? values : { ...before, ...values };
}

/** Metadata tell what shadow rules decide; what rules decide, only those of HTTP filters, as in Envoy. */
export function compileEnforcer(config: EnforcerConfig, kind: "http" | "tcp"): Enforcer {
  const { rules, shadowRules, rulesStatPrefix = "", shadowRulesStatPrefix = "" } = config;
  const told = kind === "http" ? `${rulesStatPrefix}enforced_` : undefined;
  return {
    rules: compileEvaluator("rules", rules, told),
    shadowRules: compileEvaluator("shadow_rules", shadowRules, `${shadowRulesStatPrefix}shadow_`),
  };
}

function compileEvaluator(
  field: string,
  config: RBACJson | undefined,
  metadataPrefix: string | undefined,
): Evaluator | undefined {
  if (config === undefined) return undefined;
  return new Evaluator(
    within(field, () => compileRules(config)),
    metadataPrefix,
  );
}

/** Envoy's namespace of what the LOG action decides, for access log filters. */
const commonNamespace = "envoy.common";
const hint: Struct = { access_log_hint: true };
const noHint: Struct = { access_log_hint: false };

export interface RbacStatsOptions {
  readonly rulesPrefix: string;
  readonly shadowPrefix: string;
  readonly perRule: boolean;
}

/** `rbac.[<rules prefix>.]allowed|denied` and `rbac.[<shadow prefix>.]shadow_…`, by policy too when asked for. */
export class RbacStats {
  readonly #allowed: Counter;
  readonly #denied: Counter;
  readonly #shadowAllowed: Counter;
  readonly #shadowDenied: Counter;
  readonly #policies: PolicyCounters | undefined;
  readonly #shadowPolicies: PolicyCounters | undefined;

  constructor(scope: StatsScope, { rulesPrefix, shadowPrefix, perRule }: RbacStatsOptions) {
    const rules = `rbac.${dotted(rulesPrefix)}`;
    const shadow = `rbac.${dotted(shadowPrefix)}`;
    this.#allowed = scope.counter(`${rules}allowed`);
    this.#denied = scope.counter(`${rules}denied`);
    this.#shadowAllowed = scope.counter(`${shadow}shadow_allowed`);
    this.#shadowDenied = scope.counter(`${shadow}shadow_denied`);
    if (!perRule) return;
    this.#policies = new PolicyCounters(scope, `${rules}policy.`, "");
    this.#shadowPolicies = new PolicyCounters(scope, `${shadow}policy.`, "shadow_");
  }

  count(outcome: Outcome): void {
    (outcome.allowed ? this.#allowed : this.#denied).inc();
    this.#policies?.count(outcome);
  }

  countShadow(outcome: Outcome): void {
    (outcome.allowed ? this.#shadowAllowed : this.#shadowDenied).inc();
    this.#shadowPolicies?.count(outcome);
  }
}

function dotted(prefix: string): string {
  return prefix === "" || prefix.endsWith(".") ? prefix : `${prefix}.`;
}

/** `policy.<name>.allowed|denied`: made when first counted, as in Envoy, since routes bring rules of their own. */
class PolicyCounters {
  readonly #scope: StatsScope;
  readonly #prefix: string;
  readonly #result: string;
  readonly #counters = new WeakMap<Outcome, Counter>();

  constructor(scope: StatsScope, prefix: string, result: string) {
    this.#scope = scope;
    this.#prefix = prefix;
    this.#result = result;
  }

  count(outcome: Outcome): void {
    const { policy, allowed } = outcome;
    if (policy === undefined) return;
    let counter = this.#counters.get(outcome);
    if (counter === undefined) {
      const result = `${this.#result}${allowed ? "allowed" : "denied"}`;
      counter = this.#scope.counter(`${this.#prefix}${policy}.${result}`);
      this.#counters.set(outcome, counter);
    }
    counter.inc();
  }
}

/** What one filter does with a request or connection: shadow rules first, then those that count. Undefined: nothing forbids it. */
export function enforce(
  { rules, shadowRules }: Enforcer,
  stats: RbacStats,
  info: StreamInfo,
  head: RequestHead | undefined,
  namespace: string,
): Outcome | undefined {
  if (shadowRules !== undefined) stats.countShadow(shadowRules.evaluate(info, head, namespace));
  if (rules === undefined) return undefined;
  const outcome = rules.evaluate(info, head, namespace);
  stats.count(outcome);
  if (rules.engine.action === "LOG")
    addMetadata(info, commonNamespace, outcome.policy === undefined ? noHint : hint);
  return outcome.allowed ? undefined : outcome;
}
