import { HostTable, resolveHost } from "#model/hostname.ts";
import { decidedBy, rulesBehind } from "../provenance.ts";
import type { DestinationRule } from "../view.ts";
import { isExported, selects } from "./visibility.ts";

/** A rule with its host in full, and who may see it. */
export interface PreparedRule {
  readonly rule: DestinationRule;
  readonly exportTo: readonly string[];
}

export interface PrepareOptions {
  readonly domain: string;
  readonly defaultExportTo: readonly string[];
}

export function prepareDestinationRule(
  written: DestinationRule,
  { domain, defaultExportTo }: PrepareOptions,
): PreparedRule {
  const { namespace } = written.metadata;
  const host = resolveHost((written.spec.host ?? "").toLowerCase(), { namespace, domain });
  const exportTo = written.spec.exportTo?.length ? written.spec.exportTo : defaultExportTo;
  const rule = withProvenance({ ...written, spec: { ...written.spec, host } }, written);
  return { rule, exportTo };
}

/** For itself only: no other namespace sees it. */
export function isPrivate({ rule, exportTo }: PreparedRule): boolean {
  const { namespace } = rule.metadata;
  return exportTo.every((target) => target === "." || target === namespace);
}

/** Of one namespace: by host, those for the same host merged. */
export class RuleTable {
  readonly #byHost: ReadonlyMap<string, readonly PreparedRule[]>;
  readonly #table: HostTable<readonly PreparedRule[]>;
  /** What the table that was asked about last has differently. */
  #compared: { readonly with: RuleTable; readonly hosts: readonly string[] } | undefined;

  /** `rules`: the oldest first. */
  constructor(rules: readonly PreparedRule[]) {
    const byHost = new Map<string, PreparedRule[]>();
    for (const prepared of rules) {
      mergeInto(
        byHost.getOrInsertComputed(prepared.rule.spec.host ?? "", () => []),
        prepared,
      );
    }
    this.#byHost = byHost;
    this.#table = new HostTable(byHost);
  }

  match(host: string): readonly PreparedRule[] | undefined {
    return this.#table.match(host);
  }

  get hosts(): readonly string[] {
    return [...this.#byHost.keys()];
  }

  /** Hosts, also with wildcards, for which the other table says something else. */
  hostsUnlike(other: RuleTable): readonly string[] {
    if (this.#compared?.with !== other) {
      const hosts = new Set([...this.#byHost.keys(), ...other.#byHost.keys()]);
      const differing = [...hosts].filter(
        (host) => !sameRules(this.#byHost.get(host) ?? [], other.#byHost.get(host) ?? []),
      );
      this.#compared = { with: other, hosts: differing };
    }
    return this.#compared.hosts;
  }
}

const sameRules = (a: readonly PreparedRule[], b: readonly PreparedRule[]): boolean =>
  a.length === b.length &&
  a.every(
    ({ rule, exportTo }, index) => rule === b[index]?.rule && sameSet(exportTo, b[index].exportTo),
  );

/** Hosts that some table of one list treats unlike its counterpart in the other; the lists are of the same namespaces. */
export function hostsUnlike(
  before: readonly (RuleTable | undefined)[],
  after: readonly (RuleTable | undefined)[],
): readonly string[] {
  return after.flatMap((table, index) => {
    const known = before[index];
    if (table === known) return [];
    if (table === undefined) return known?.hosts ?? [];
    return known === undefined ? table.hosts : table.hostsUnlike(known);
  });
}

/** The tables of all namespaces. */
export interface DestinationRules {
  /** Every rule of the namespace. */
  local(namespace: string): RuleTable | undefined;
  /** Those that another namespace may see. */
  exported(namespace: string): RuleTable | undefined;
  /** Those that none other sees. */
  private(namespace: string): RuleTable | undefined;
  readonly rootNamespace: string;
}

export interface Caller {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The caller's namespace, then the service's, then the root's; within each the most specific host. */
export function selectDestinationRule(
  rules: DestinationRules,
  host: string,
  { caller, serviceNamespace }: { readonly caller: Caller; readonly serviceNamespace: string },
): DestinationRule | undefined {
  const candidates =
    ownTable(rules, caller.namespace)?.match(host) ??
    exportedFrom(rules, host, { namespace: serviceNamespace, from: caller.namespace }) ??
    exportedFrom(rules, host, { namespace: rules.rootNamespace, from: caller.namespace });
  return candidates === undefined ? undefined : selectForWorkload(candidates, caller);
}

/** What the root namespace exports is for all, and must not hide from its own proxies what a service's namespace says. */
export const ownTable = (rules: DestinationRules, namespace: string): RuleTable | undefined =>
  namespace === rules.rootNamespace ? rules.private(namespace) : rules.local(namespace);

function exportedFrom(
  rules: DestinationRules,
  host: string,
  { namespace, from }: { readonly namespace: string; readonly from: string },
): readonly PreparedRule[] | undefined {
  const found = rules
    .exported(namespace)
    ?.match(host)
    ?.filter(({ exportTo }) => isExported(exportTo, { namespace, from }));
  return found?.length ? found : undefined;
}

/** A rule for this very workload wins; a selector reaches only workloads of the rule's own namespace. */
function selectForWorkload(
  candidates: readonly PreparedRule[],
  caller: Caller,
): DestinationRule | undefined {
  let forAll: DestinationRule | undefined;
  for (const { rule } of candidates) {
    const selector = rule.spec.workloadSelector;
    if (selector === undefined) forAll = rule;
    else if (
      rule.metadata.namespace === caller.namespace &&
      selects(selector.matchLabels ?? {}, caller.labels)
    )
      return rule;
  }
  return forAll;
}

/** One rule for the same host, the same workloads and the same readers; one for more readers adds to the first and stands by itself. */
function mergeInto(known: PreparedRule[], incoming: PreparedRule): void {
  let alone = true;
  for (const [index, existing] of known.entries()) {
    if (!sameSelector(existing.rule, incoming.rule)) continue;
    const equal = sameSet(existing.exportTo, incoming.exportTo);
    if (!equal && !existing.exportTo.every((target) => incoming.exportTo.includes(target)))
      continue;
    if (equal) alone = false;
    known[index] = { ...existing, rule: merge(existing.rule, incoming.rule) };
  }
  if (alone) known.push(incoming);
}

/** What two rules made together: the same two make the same one. */
const merged = new WeakMap<DestinationRule, WeakMap<DestinationRule, DestinationRule>>();

function merge(first: DestinationRule, second: DestinationRule): DestinationRule {
  return merged
    .getOrInsertComputed(first, () => new WeakMap<DestinationRule, DestinationRule>())
    .getOrInsertComputed(second, () => mergeTwo(first, second));
}

function mergeTwo(first: DestinationRule, second: DestinationRule): DestinationRule {
  const subsets = [...(first.spec.subsets ?? [])];
  const names = new Set(subsets.map(({ name }) => name));
  for (const subset of second.spec.subsets ?? []) if (!names.has(subset.name)) subsets.push(subset);
  const trafficPolicy = first.spec.trafficPolicy ?? second.spec.trafficPolicy;
  const rule = {
    ...first,
    spec: {
      ...first.spec,
      ...(subsets.length > 0 && { subsets }),
      ...(trafficPolicy && { trafficPolicy }),
    },
  };
  return decidedBy(rule, ...rulesBehind(first), ...rulesBehind(second));
}

const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((entry) => b.includes(entry));

function sameSelector(a: DestinationRule, b: DestinationRule): boolean {
  const [left, right] = [a.spec.workloadSelector, b.spec.workloadSelector];
  if (left === undefined || right === undefined) return left === right;
  const [leftLabels, rightLabels] = [left.matchLabels ?? {}, right.matchLabels ?? {}];
  return selects(leftLabels, rightLabels) && selects(rightLabels, leftLabels);
}

/** Subsets and policies say which object wrote them, because merging moves them. */
function withProvenance(rule: DestinationRule, written: DestinationRule): DestinationRule {
  const subsets = rule.spec.subsets?.map((subset, index) =>
    decidedBy({ ...subset }, { object: written, keys: ["spec", "subsets", index] }),
  );
  const trafficPolicy =
    rule.spec.trafficPolicy &&
    decidedBy({ ...rule.spec.trafficPolicy }, { object: written, keys: ["spec", "trafficPolicy"] });
  const spec = {
    ...rule.spec,
    ...(subsets && { subsets }),
    ...(trafficPolicy && { trafficPolicy }),
  };
  return decidedBy({ ...rule, spec }, { object: written, keys: [] });
}
