import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type {
  Subset_LbSubsetSelectorJson,
  SubsetJson,
} from "#gen/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { Json } from "../stream-info.ts";
import { MetadataMatch, namesText } from "./metadata-match.ts";

export type SubsetFallback = "none" | "any" | "default";

export interface SubsetSelector {
  /** In order, each once. */
  readonly keys: readonly string[];
  readonly keySet: ReadonlySet<string>;
  /** The first host is the subset. */
  readonly singleHost: boolean;
}

export interface SubsetConfig {
  readonly selectors: readonly SubsetSelector[];
  /** By the names of the criteria; a set: the same again with only these. What is not here falls back as the cluster does. */
  readonly selectorFallbacks: ReadonlyMap<string, SubsetFallback | ReadonlySet<string>>;
  readonly fallback: SubsetFallback;
  readonly defaultSubset: MetadataMatch;
  readonly panicModeAny: boolean;
  readonly listAsAny: boolean;
  readonly localityWeightAware: boolean;
  readonly scaleLocalityWeight: boolean;
  /** `FALLBACK_LIST` */
  readonly triesAlternatives: boolean;
  readonly allowRedundantKeys: boolean;
}

/** `lb_subset_config`. Undefined: the cluster has no selectors, and so no subsets. */
export function compileLegacySubsets(cluster: ClusterJson): SubsetConfig | undefined {
  const config = cluster.lbSubsetConfig;
  if (config === undefined) return undefined;
  const weighted = cluster.commonLbConfig?.localityWeightedLbConfig !== undefined;
  if (config.localityWeightAware === true && !weighted)
    throw refuse(
      "lb_subset_config.locality_weight_aware",
      `Locality weight aware subset LB requires that a locality_weighted_lb_config be set in ${cluster.name}`,
    );
  if ((config.subsetSelectors ?? []).length === 0) return undefined;
  if (cluster.lbPolicy === "CLUSTER_PROVIDED")
    throw refuse(
      "lb_subset_config",
      "LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config",
    );
  return within("lb_subset_config", () => compileSubsets(config));
}

/** Of the extension too, which has the same fields and more. */
export function compileSubsets(config: SubsetJson): SubsetConfig {
  const compiled = compileEach("subset_selectors", config.subsetSelectors, compileSelector);
  return {
    // One without keys selects nothing.
    selectors: compiled.map(({ selector }) => selector).filter(({ keys }) => keys.length > 0),
    selectorFallbacks: compileFallbacks(compiled),
    fallback: fallbacks[String(config.fallbackPolicy ?? "NO_FALLBACK")] ?? "none",
    // Proof: ProtoJSON of a Struct is an object of JSON values.
    defaultSubset: MetadataMatch.of((config.defaultSubset ?? {}) as Record<string, Json>),
    panicModeAny: config.panicModeAny === true,
    listAsAny: config.listAsAny === true,
    localityWeightAware: config.localityWeightAware === true,
    scaleLocalityWeight: config.scaleLocalityWeight === true,
    triesAlternatives: config.metadataFallbackPolicy === "FALLBACK_LIST",
    allowRedundantKeys: config.allowRedundantKeys === true,
  };
}

interface CompiledSelector {
  readonly selector: SubsetSelector;
  readonly fallback: SubsetFallback | ReadonlySet<string> | undefined;
}

const fallbacks: Readonly<Record<string, SubsetFallback>> = {
  NO_FALLBACK: "none",
  ANY_ENDPOINT: "any",
  DEFAULT_SUBSET: "default",
};

function compileSelector(config: Subset_LbSubsetSelectorJson): CompiledSelector {
  const keySet = new Set(config.keys);
  const keys = [...keySet].sort();
  const selector = { keys, keySet, singleHost: config.singleHostPerSubset === true };
  const policy = String(config.fallbackPolicy ?? "NOT_DEFINED");
  const fewer = new Set(config.fallbackKeysSubset);
  if (policy !== "KEYS_SUBSET") {
    if (fewer.size > 0)
      throw refuse(
        "fallback_keys_subset",
        "fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy",
      );
    return { selector, fallback: fallbacks[policy] };
  }
  if (fewer.size === 0)
    throw refuse("fallback_keys_subset", "fallback_keys_subset cannot be empty");
  if (!fewer.isSubsetOf(keySet))
    throw refuse("fallback_keys_subset", "fallback_keys_subset must be a subset of selector keys");
  // Fewer each time: so the way from one fallback to the next has an end.
  if (fewer.size === keySet.size)
    throw refuse("fallback_keys_subset", "fallback_keys_subset cannot be equal to keys");
  return { selector, fallback: fewer };
}

/** As in Envoy, where an earlier selector begins with all keys of a later one, the later one's policy is not asked. */
function compileFallbacks(
  selectors: readonly CompiledSelector[],
): SubsetConfig["selectorFallbacks"] {
  const found = new Map<string, SubsetFallback | ReadonlySet<string>>();
  const beginnings = new Set<string>();
  for (const { selector, fallback } of selectors) {
    const names = namesText(selector.keys);
    if (!beginnings.has(names) && fallback !== undefined) found.set(names, fallback);
    for (let length = 1; length <= selector.keys.length; length++)
      beginnings.add(namesText(selector.keys.slice(0, length)));
  }
  return found;
}
