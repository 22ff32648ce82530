import type {
  Cluster_LbSubsetConfig_LbSubsetSelectorJson,
  Cluster_LbSubsetConfigJson,
  ClusterJson,
} from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import type { PickContext } from "../balancer/balancer.ts";
import { type MetadataMatch, matchOf, matchOfHost, namesText } from "../balancer/metadata-match.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";
import type { Json } from "../stream-info.ts";
import type { ClusterMembers, Host } from "./host.ts";

/** The hosts of one subset, balanced as the cluster's. */
export interface SubsetMembers {
  adopt(hosts: readonly Host[], members: ClusterMembers): void;
  hostHealthChanged(): void;
  pick(context: PickContext): Host | undefined;
}

interface SubsetsContext {
  readonly stats: StatsScope;
  /** One worker counts which subsets there are. */
  readonly counts: boolean;
  readonly make: () => SubsetMembers;
  /** Any of the cluster's hosts. */
  readonly pickAny: (context: PickContext) => Host | undefined;
}

type Fallback = "none" | "any" | "default";

interface Selector {
  readonly names: readonly string[];
  /** Undefined: the cluster's own. */
  readonly fallback: Fallback | { readonly keys: readonly string[] } | undefined;
}

/** `lb_subset_config`: hosts by their `envoy.lb` metadata, one balancer for each combination that a selector names. */
export class Subsets {
  readonly #context: SubsetsContext;
  readonly #selectors: ReadonlyMap<string, Selector>;
  readonly #fallback: Fallback;
  readonly #panicModeAny: boolean;
  readonly #defaultMatch: MetadataMatch;
  /** Undefined as long as no host is in it. */
  #default: SubsetMembers | undefined;
  #byText: Map<string, SubsetMembers> = new Map();
  readonly #active: Gauge;
  readonly #created: Counter;
  readonly #removed: Counter;
  readonly #selected: Counter;
  readonly #fellBack: Counter;
  readonly #panicked: Counter;

  /** Undefined: the cluster has no selectors, and so no subsets. */
  static of(cluster: ClusterJson, context: SubsetsContext): Subsets | undefined {
    const config = cluster.lbSubsetConfig;
    if (config === undefined || (config.subsetSelectors ?? []).length === 0) return undefined;
    if (cluster.loadBalancingPolicy !== undefined)
      throw refuse("lb_subset_config", "cannot be combined with load_balancing_policy");
    if (cluster.lbPolicy === "CLUSTER_PROVIDED")
      throw refuse("lb_subset_config", "cannot be combined with CLUSTER_PROVIDED");
    return new Subsets(config, context);
  }

  constructor(config: Cluster_LbSubsetConfigJson, context: SubsetsContext) {
    this.#context = context;
    this.#fallback = fallbacks[String(config.fallbackPolicy ?? "NO_FALLBACK")] ?? "none";
    this.#panicModeAny = config.panicModeAny === true;
    // Proof: ProtoJSON of a Struct is an object of JSON values.
    this.#defaultMatch = matchOf((config.defaultSubset ?? {}) as Record<string, Json>);
    const selectors = compileEach(
      "lb_subset_config.subset_selectors",
      config.subsetSelectors,
      compileSelector,
    );
    // As in Envoy, a selector without keys is accepted and selects nothing.
    const selecting = selectors.filter(({ names }) => names.length > 0);
    this.#selectors = new Map(selecting.map((it) => [namesText(it.names), it]));
    const { stats } = context;
    this.#active = stats.gauge("lb_subsets_active");
    this.#created = stats.counter("lb_subsets_created");
    this.#removed = stats.counter("lb_subsets_removed");
    this.#selected = stats.counter("lb_subsets_selected");
    this.#fellBack = stats.counter("lb_subsets_fallback");
    this.#panicked = stats.counter("lb_subsets_fallback_panic");
  }

  update(hosts: readonly Host[], members: ClusterMembers): void {
    // As in Envoy, localities have no weights within a subset.
    const own = { ...members, localityWeights: {} };
    const before = this.#byText;
    this.#byText = new Map();
    for (const [text, list] of this.#grouped(hosts)) {
      const subset = before.get(text) ?? this.#context.make();
      subset.adopt(list, own);
      this.#byText.set(text, subset);
    }
    this.#count(before);
    const { values, text } = this.#defaultMatch;
    const names = Object.keys(values);
    const chosen = hosts.filter((host) => matchOfHost(host.metadata, names)?.text === text);
    this.#default = chosen.length === 0 ? undefined : (this.#default ?? this.#context.make());
    this.#default?.adopt(chosen, own);
  }

  #grouped(hosts: readonly Host[]): Map<string, Host[]> {
    const groups = new Map<string, Host[]>();
    for (const host of hosts) {
      for (const { names } of this.#selectors.values()) {
        const match = matchOfHost(host.metadata, names);
        if (match === undefined) continue;
        const group = groups.get(match.text);
        if (group === undefined) groups.set(match.text, [host]);
        else group.push(host);
      }
    }
    return groups;
  }

  #count(before: ReadonlyMap<string, SubsetMembers>): void {
    if (!this.#context.counts) return;
    for (const text of this.#byText.keys()) if (!before.has(text)) this.#created.inc();
    for (const text of before.keys()) if (!this.#byText.has(text)) this.#removed.inc();
    this.#active.add(this.#byText.size - before.size);
  }

  healthChanged(): void {
    this.#default?.hostHealthChanged();
    for (const subset of this.#byText.values()) subset.hostHealthChanged();
  }

  pick(context: PickContext): Host | undefined {
    return this.#pick(context, context.metadataMatch);
  }

  #pick(context: PickContext, match: MetadataMatch | undefined): Host | undefined {
    if (match !== undefined) {
      const subset = this.#byText.get(match.text);
      if (subset !== undefined) {
        this.#selected.inc();
        return subset.pick(context);
      }
      const fallback = this.#selectors.get(match.names)?.fallback;
      if (typeof fallback === "object") return this.#pick(context, only(match, fallback.keys));
      if (fallback !== undefined) return this.#fallTo(fallback, context);
    }
    if (this.#fallback === "none") return undefined;
    const host = this.#fallTo(this.#fallback, context);
    if (host !== undefined) {
      this.#fellBack.inc();
      return host;
    }
    const any = this.#panicModeAny ? this.#context.pickAny(context) : undefined;
    if (any !== undefined) this.#panicked.inc();
    return any;
  }

  #fallTo(fallback: Fallback, context: PickContext): Host | undefined {
    if (fallback === "any") return this.#context.pickAny(context);
    return fallback === "default" ? this.#default?.pick(context) : undefined;
  }
}

const fallbacks: Readonly<Record<string, Fallback>> = {
  NO_FALLBACK: "none",
  ANY_ENDPOINT: "any",
  DEFAULT_SUBSET: "default",
};

function compileSelector(config: Cluster_LbSubsetConfig_LbSubsetSelectorJson): Selector {
  const names = config.keys ?? [];
  const policy = String(config.fallbackPolicy ?? "NOT_DEFINED");
  if (policy !== "KEYS_SUBSET") return { names, fallback: fallbacks[policy] };
  const keys = config.fallbackKeysSubset ?? [];
  if (keys.length === 0)
    throw refuse(
      "fallback_keys_subset",
      "fallback_keys_subset cannot be empty for KEYS_SUBSET fallback_policy",
    );
  // A true subset each time: so the way from one fallback to the next has an end.
  if (!keys.every((key) => names.includes(key)))
    throw refuse("fallback_keys_subset", "fallback_keys_subset must be a subset of selector keys");
  if (new Set(keys).size === new Set(names).size)
    throw refuse("fallback_keys_subset", "fallback_keys_subset cannot be equal to keys");
  return { names, fallback: { keys } };
}

function only(match: MetadataMatch, keys: readonly string[]): MetadataMatch {
  return matchOf(Object.fromEntries(keys.map((key) => [key, match.values[key] ?? null])));
}
