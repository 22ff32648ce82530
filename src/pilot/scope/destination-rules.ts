import { HostTable, resolveHost } from "#model/hostname.ts";
import { decidedBy, rulesBehind } from "../provenance.ts";
import type { DestinationRule } from "../view.ts";
import { isExported, selects } from "./visibility.ts";

/** Rules of one namespace for one host that became one rule. */
interface Merged {
  readonly rule: DestinationRule;
  readonly exportTo: readonly string[];
}

/** Which rule applies to calls of a host, looked up by namespaces. */
export interface DestinationRuleIndex {
  /** Every rule of the namespace. */
  readonly local: ReadonlyMap<string, HostTable<readonly Merged[]>>;
  /** Those that another namespace may see. */
  readonly exported: ReadonlyMap<string, HostTable<readonly Merged[]>>;
  /** In the root namespace: those for itself only. */
  readonly rootPrivate: HostTable<readonly Merged[]>;
  readonly rootNamespace: string;
}

export interface DestinationRuleOptions {
  readonly domain: string;
  readonly rootNamespace: string;
  readonly defaultExportTo: readonly string[];
}

/** `rules`: the oldest first. */
export function indexDestinationRules(
  rules: readonly DestinationRule[],
  { domain, rootNamespace, defaultExportTo }: DestinationRuleOptions,
): DestinationRuleIndex {
  const local = new Groups();
  const exported = new Groups();
  const rootPrivate = new Groups();
  for (const written of rules) {
    const { namespace } = written.metadata;
    const host = resolveHost((written.spec.host ?? "").toLowerCase(), { namespace, domain });
    const exportTo = written.spec.exportTo?.length ? written.spec.exportTo : defaultExportTo;
    const rule = withProvenance({ ...written, spec: { ...written.spec, host } }, written);
    const isPrivate = exportTo.every((target) => target === "." || target === namespace);
    const entry = { rule, exportTo };
    local.add(namespace, host, entry);
    if (!isPrivate) exported.add(namespace, host, entry);
    else if (namespace === rootNamespace) rootPrivate.add(namespace, host, entry);
  }
  return {
    local: local.finish(),
    exported: exported.finish(),
    rootPrivate: rootPrivate.finish().get(rootNamespace) ?? new HostTable(),
    rootNamespace,
  };
}

export interface Caller {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The caller's namespace, then the service's, then the root's; within each the most specific host. */
export function selectDestinationRule(
  index: DestinationRuleIndex,
  host: string,
  { caller, serviceNamespace }: { readonly caller: Caller; readonly serviceNamespace: string },
): DestinationRule | undefined {
  const own =
    caller.namespace === index.rootNamespace
      ? index.rootPrivate
      : index.local.get(caller.namespace);
  const candidates =
    own?.match(host) ??
    exportedFrom(index, host, { namespace: serviceNamespace, from: caller.namespace }) ??
    exportedFrom(index, host, { namespace: index.rootNamespace, from: caller.namespace });
  return candidates === undefined ? undefined : selectForWorkload(candidates, caller);
}

function exportedFrom(
  index: DestinationRuleIndex,
  host: string,
  { namespace, from }: { readonly namespace: string; readonly from: string },
): readonly Merged[] | undefined {
  const found = index.exported
    .get(namespace)
    ?.match(host)
    ?.filter(({ exportTo }) => isExported(exportTo, { namespace, from }));
  return found?.length ? found : undefined;
}

/** A rule for this very workload wins; a selector reaches only workloads of the rule's own namespace. */
function selectForWorkload(
  candidates: readonly Merged[],
  caller: Caller,
): DestinationRule | undefined {
  let forAll: DestinationRule | undefined;
  for (const { rule } of candidates) {
    const selector = rule.spec.workloadSelector?.matchLabels;
    if (rule.spec.workloadSelector === undefined) forAll = rule;
    else if (rule.metadata.namespace === caller.namespace && selects(selector ?? {}, caller.labels))
      return rule;
  }
  return forAll;
}

/** Namespace → host → rules, merged as they come. */
class Groups {
  readonly #namespaces: Map<string, Map<string, Merged[]>> = new Map();

  add(namespace: string, host: string, entry: Merged): void {
    const hosts = this.#namespaces.getOrInsertComputed(namespace, () => new Map());
    const known = hosts.get(host);
    if (known === undefined) hosts.set(host, [entry]);
    else mergeInto(known, entry);
  }

  finish(): ReadonlyMap<string, HostTable<readonly Merged[]>> {
    return new Map([...this.#namespaces].map(([name, hosts]) => [name, new HostTable(hosts)]));
  }
}

/** One rule for the same host, the same workloads and the same readers; one for more readers adds to the first and stands by itself. */
function mergeInto(known: Merged[], incoming: Merged): void {
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

function merge(first: DestinationRule, second: DestinationRule): DestinationRule {
  const subsets = [...(first.spec.subsets ?? [])];
  const names = new Set(subsets.map(({ name }) => name));
  for (const subset of second.spec.subsets ?? []) if (!names.has(subset.name)) subsets.push(subset);
  const trafficPolicy = first.spec.trafficPolicy ?? second.spec.trafficPolicy;
  const merged = {
    ...first,
    spec: {
      ...first.spec,
      ...(subsets.length > 0 && { subsets }),
      ...(trafficPolicy && { trafficPolicy }),
    },
  };
  return decidedBy(merged, ...rulesBehind(first), ...rulesBehind(second));
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
