import { formatPath } from "#config/place.ts";
import { type Rule, rulesBehind } from "#pilot/provenance.ts";
import type { CallOutcome } from "#proxy/simulate.ts";
import type { CallError } from "#proxy/simulated-call.ts";

/** What a rule decided of a call's way. */
export type Decided =
  | "listener"
  | "filterChain"
  | "routeConfig"
  | "virtualHost"
  | "route"
  | "cluster";

/** A rule that decided, where it was written. */
export interface DecidingRule {
  readonly decided: Decided;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** `spec.http[0]`; "" for the whole object. */
  readonly field: string;
  /** Null: the object has no text. */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

/** What happens to a call: names of what matched (null: nothing did) and why. */
export interface ExplainedCall {
  readonly listenerMatched: string | null;
  readonly filterChainMatched: string | null;
  readonly routeConfigMatched: string | null;
  readonly virtualHostMatched: string | null;
  readonly routeMatched: string | null;
  readonly clusterMatched: string | null;
  readonly error: CallError | null;
  /** Whether there is a cluster of the name: calls to one that there is not are answered 503. Null: none is named. */
  readonly clusterFound: boolean | null;
  /** Clusters that share the calls, by weight; null when it is one. */
  readonly weightedClusters:
    | readonly { readonly cluster: string; readonly weight: number }[]
    | null;
  /** The proxy's own answer: a redirect or a fixed response. */
  readonly answer: CallOutcome["answer"] | null;
  readonly rules: readonly DecidingRule[];
}

export function explained(outcome: CallOutcome): ExplainedCall {
  const { listener, filterChain, virtualHost, route, destinations = [] } = outcome;
  return {
    listenerMatched: named(listener?.name),
    filterChainMatched: named(filterChain?.name),
    routeConfigMatched: named(outcome.routeConfigName),
    virtualHostMatched: named(virtualHost?.name),
    routeMatched: named(route?.name),
    clusterMatched: named(outcome.clusterName),
    error: outcome.error ?? null,
    clusterFound: outcome.clusterName === undefined ? null : outcome.cluster !== undefined,
    weightedClusters: destinations.length > 1 ? destinations : null,
    answer: outcome.answer ?? null,
    rules: rulesOf(outcome),
  };
}

function named(name: string | undefined): string | null {
  return name === undefined || name === "" ? null : name;
}

function rulesOf(outcome: CallOutcome): readonly DecidingRule[] {
  const decided: readonly (readonly [Decided, object | undefined])[] = [
    ["listener", outcome.listener],
    ["filterChain", outcome.filterChain],
    ["routeConfig", outcome.routeConfig],
    ["virtualHost", outcome.virtualHost],
    ["route", outcome.route],
    ["cluster", outcome.cluster],
  ];
  const rules = decided.flatMap(([what, made]) =>
    made === undefined ? [] : rulesBehind(made).map((rule) => located(what, rule)),
  );
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}

function located(decided: Decided, { object, keys }: Rule): DecidingRule {
  const { kind, metadata, source } = object;
  const position = source?.positionOf(keys);
  return {
    decided,
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    field: formatPath(keys),
    file: source?.name ?? null,
    line: position?.line ?? null,
    column: position?.column ?? null,
  };
}
