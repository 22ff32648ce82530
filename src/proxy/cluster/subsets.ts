import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Word64 } from "#lib/word64.ts";
import type { PickContext, Picker } from "../balancer/balancer.ts";
import { balancingLabels, MetadataMatch, textsOfHost } from "../balancer/metadata-match.ts";
import type { SubsetConfig, SubsetFallback } from "../balancer/subset-config.ts";
import type { ClusterMembers, Host } from "./host.ts";
import { localityKey } from "./host-locality.ts";
import { HostPickers, type HostPickersContext } from "./host-pickers.ts";
import { SubsetStats } from "./subset-stats.ts";

/** With lists as values (`list_as_any`) a host may be in many; what is over the limit is not made. */
const subsetsMax = 100_000;

interface Subset extends Picker {
  adopt(hosts: readonly Host[], members: ClusterMembers): void;
  healthChanged(): void;
}

interface Group {
  readonly hosts: Host[];
  readonly singleHost: boolean;
}

/** A cluster's hosts by their `envoy.lb` metadata: a balancer for each combination of values that a selector names. */
export class Subsets implements Picker {
  readonly #config: SubsetConfig;
  readonly #make: () => HostPickers;
  readonly #stats: SubsetStats;
  /** Of all hosts, and of the default subset: where a policy wants them. */
  readonly #any: HostPickers | undefined;
  readonly #default: HostPickers | undefined;
  #byText: Map<string, Subset> = new Map();

  constructor(cluster: ClusterJson, config: SubsetConfig, context: HostPickersContext) {
    const { balancer } = context;
    const localityWeighted = balancer.localityWeighted && config.localityWeightAware;
    const own = { ...context, balancer: { ...balancer, localityWeighted } };
    this.#config = config;
    this.#make = () => new HostPickers(cluster, own);
    this.#stats = new SubsetStats(context.stats, context.services);
    const wanted = new Set([config.fallback, ...config.selectorFallbacks.values()]);
    if (wanted.has("any") || config.panicModeAny) this.#any = this.#make();
    if (wanted.has("default")) this.#default = this.#make();
  }

  update(hosts: readonly Host[], members: ClusterMembers): void {
    const { localityWeightAware, scaleLocalityWeight } = this.#config;
    const weighted = localityWeightAware ? members : { ...members, localityWeights: {} };
    const weigh =
      localityWeightAware && scaleLocalityWeight ? scaled(members, hosts) : () => weighted;
    this.#any?.adopt(hosts, weighted);
    if (this.#default !== undefined) {
      const chosen = hosts.filter((host) => this.#isInDefault(host));
      this.#default.adopt(chosen, weigh(chosen));
    }
    const before = this.#byText;
    let duplicates = 0;
    this.#byText = new Map();
    for (const [text, { hosts: chosen, singleHost }] of this.#grouped(hosts)) {
      const subset = before.get(text) ?? (singleHost ? new SingleHost() : this.#make());
      subset.adopt(chosen, weigh(chosen));
      this.#byText.set(text, subset);
      if (singleHost) duplicates += chosen.length - prioritiesOf(chosen);
    }
    this.#stats.count(before, this.#byText, duplicates);
  }

  healthChanged(): void {
    this.#any?.healthChanged();
    this.#default?.healthChanged();
    for (const subset of this.#byText.values()) subset.healthChanged();
  }

  pick(context: PickContext, hash?: Word64): Host | undefined {
    const match = matchOf(context);
    const alternatives = this.#config.triesAlternatives ? match?.alternatives : undefined;
    if (alternatives === undefined) return this.#pick(match, context, hash);
    for (const alternative of alternatives) {
      const host = this.#pick(alternative, context, hash);
      if (host !== undefined) return host;
    }
    return undefined;
  }

  #pick(
    asked: MetadataMatch | undefined,
    context: PickContext,
    hash: Word64 | undefined,
  ): Host | undefined {
    const match = this.#withoutRedundant(asked);
    if (match !== undefined) {
      const subset = this.#byText.get(match.text);
      if (subset !== undefined) {
        this.#stats.selected.inc();
        return subset.pick(context, hash);
      }
      const fallback = this.#config.selectorFallbacks.get(match.names);
      if (typeof fallback === "string") return this.#fallTo(fallback)?.pick(context, hash);
      if (fallback !== undefined) return this.#pick(match.only(fallback), context, hash);
    }
    return this.#pickFallback(context, hash);
  }

  /** The cluster's own policy; it alone is counted. */
  #pickFallback(context: PickContext, hash: Word64 | undefined): Host | undefined {
    const fallback = this.#fallTo(this.#config.fallback);
    if (fallback === undefined) return undefined;
    const host = fallback.pick(context, hash);
    if (host !== undefined) {
      this.#stats.fallback.inc();
      return host;
    }
    const any = this.#config.panicModeAny ? this.#any?.pick(context, hash) : undefined;
    if (any !== undefined) this.#stats.fallbackPanic.inc();
    return any;
  }

  #fallTo(fallback: SubsetFallback): HostPickers | undefined {
    if (fallback === "any") return this.#any;
    return fallback === "default" ? this.#default : undefined;
  }

  /** `allow_redundant_keys`: what the first selector asks for, when the request has it all. */
  #withoutRedundant(match: MetadataMatch | undefined): MetadataMatch | undefined {
    if (match === undefined || !this.#config.allowRedundantKeys) return match;
    for (const { keySet } of this.#config.selectors)
      if (match.hasAll(keySet)) return match.only(keySet);
    return match;
  }

  #isInDefault({ metadata }: Host): boolean {
    const { defaultSubset, listAsAny } = this.#config;
    return defaultSubset.meets(balancingLabels(metadata), listAsAny);
  }

  #grouped(hosts: readonly Host[]): Map<string, Group> {
    const { selectors, listAsAny } = this.#config;
    const groups = new Map<string, Group>();
    const seen = new Set<string>();
    for (const host of hosts) {
      const labels = balancingLabels(host.metadata);
      seen.clear();
      for (const { keys, singleHost } of selectors) {
        for (const text of textsOfHost(labels, { names: keys, listAsAny, max: subsetsMax })) {
          if (seen.has(text)) continue;
          seen.add(text);
          const group = groups.get(text);
          if (group !== undefined) group.hosts.push(host);
          else if (groups.size < subsetsMax) groups.set(text, { hosts: [host], singleHost });
        }
      }
    }
    return groups;
  }
}

/** `scale_locality_weight`: a locality counts as far as its hosts are in the subset. */
function scaled(
  members: ClusterMembers,
  all: readonly Host[],
): (chosen: readonly Host[]) => ClusterMembers {
  const totals = hostsByLocality(all);
  return (chosen) => {
    const localityWeights: Record<string, number> = {};
    for (const [key, count] of hostsByLocality(chosen)) {
      const weight = members.localityWeights[key] ?? 0;
      localityWeights[key] = Math.round((weight * count) / (totals.get(key) ?? count));
    }
    return { ...members, localityWeights };
  };
}

function hostsByLocality(hosts: readonly Host[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const host of hosts) {
    const key = localityKey(host);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function prioritiesOf(hosts: readonly Host[]): number {
  return new Set(hosts.map(({ priority }) => priority)).size;
}

/** The request's own metadata goes over its route's. */
function matchOf({ metadataMatch, info }: PickContext): MetadataMatch | undefined {
  const labels = balancingLabels(info?.dynamicMetadata);
  if (labels === undefined) return metadataMatch;
  return metadataMatch?.merged(labels) ?? MetadataMatch.of(labels);
}

/** The first host of the first priority, whatever its health. */
class SingleHost implements Subset {
  #host: Host | undefined;

  adopt(hosts: readonly Host[]): void {
    this.#host = hosts.reduce((first, host) => (host.priority < first.priority ? host : first));
  }

  healthChanged(): void {}

  pick(): Host | undefined {
    return this.#host;
  }
}
