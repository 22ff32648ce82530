import type { RE2JS } from "re2js";
import type { StatsConfigJson, TagSpecifierJson } from "#gen/envoy/config/metrics/v3/stats_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { re2 } from "../matching/re2.ts";
import {
  compileStringMatcher,
  compileStringMatchers,
  type StringPredicate,
} from "../matching/string-matcher.ts";
import { defaultRules, type TagRule } from "./tags.ts";

/** Envoy's buckets of a Prometheus histogram, in the unit of the stat. */
const defaultBuckets: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000,
  1_800_000, 3_600_000,
];

/** `stats_config` of the bootstrap, compiled. */
export interface StatsConfig {
  /** stats_matcher; undefined: every name. */
  readonly accepts: StringPredicate | undefined;
  readonly tagRules: readonly TagRule[];
  /** Bounds of a histogram's buckets, rising. */
  boundsOf(name: string): readonly number[];
}

export function compileStatsConfig(config: StatsConfigJson = {}): StatsConfig {
  return {
    accepts: within("stats_matcher", () => statsMatcher(config)),
    tagRules: tagRules(config),
    boundsOf: histogramBounds(config),
  };
}

/** Just the matcher: what a worker needs. */
export function compileStatsMatcher(config: StatsConfigJson = {}): StringPredicate | undefined {
  return within("stats_matcher", () => statsMatcher(config));
}

function statsMatcher({ statsMatcher: matcher }: StatsConfigJson): StringPredicate | undefined {
  if (matcher === undefined) return undefined;
  if (matcher.rejectAll !== undefined) return matcher.rejectAll ? () => false : undefined;
  const { inclusionList, exclusionList } = matcher;
  if (inclusionList !== undefined) {
    return within("inclusion_list", () => compileStringMatchers(inclusionList));
  }
  if (exclusionList !== undefined) {
    const excluded = within("exclusion_list", () => compileStringMatchers(exclusionList));
    return (name) => !excluded(name);
  }
  throw refuse("", "reject_all, exclusion_list or inclusion_list is required");
}

/** Response codes first, then fixed values, then the other defaults, then the user's patterns: the order of Envoy's labels. */
function tagRules({ statsTags, useAllDefaultTags }: StatsConfigJson): readonly TagRule[] {
  const custom = compileEach("stats_tags", statsTags, customRule);
  const fixed = custom.filter((rule) => rule.find("") !== undefined);
  const patterns = custom.filter((rule) => rule.find("") === undefined);
  if (useAllDefaultTags === false) return [...fixed, ...patterns];
  return [...defaultRules.slice(0, 2), ...fixed, ...defaultRules.slice(2), ...patterns];
}

function customRule({ tagName, regex, fixedValue }: TagSpecifierJson): TagRule {
  const label = tagName ?? "";
  if (label === "") throw refuse("tag_name", "is required");
  if (fixedValue !== undefined) {
    return { label, find: () => ({ start: 0, end: 0, value: fixedValue }) };
  }
  if (regex === undefined || regex === "") return defaultRule(label);
  const pattern = within("regex", () => compile(regex));
  return {
    label,
    find(name) {
      const matcher = pattern.matcher(name);
      if (name === "" || !matcher.find()) return undefined;
      // The second group is the value where there is one; the first is what leaves the name.
      const group = pattern.groupCount() > 1 ? 2 : 1;
      const value = matcher.group(group);
      if (value === null) return undefined;
      return { start: matcher.start(1), end: matcher.end(1), value };
    },
  };
}

/** A tag by its name alone is one of Envoy's own. */
function defaultRule(label: string): TagRule {
  const rule = defaultRules.find((candidate) => candidate.label === label);
  if (rule === undefined) {
    throw refuse("tag_name", `no regex specified for tag specifier and no default for "${label}"`);
  }
  return rule;
}

function compile(regex: string): RE2JS {
  let pattern: RE2JS;
  try {
    pattern = re2().compile(regex);
  } catch (error) {
    throw refuse("", error instanceof Error ? error.message : String(error));
  }
  if (pattern.groupCount() < 1) throw refuse("", "needs a group: what to cut out of the name");
  return pattern;
}

function histogramBounds({ histogramBucketSettings }: StatsConfigJson): StatsConfig["boundsOf"] {
  const settings = compileEach("histogram_bucket_settings", histogramBucketSettings, (setting) => {
    const { match, buckets } = setting;
    if (match === undefined) throw refuse("match", "is required");
    const bounds = (buckets ?? []).map(Number).sort((a, b) => a - b);
    if (bounds.length === 0) throw refuse("buckets", "must have at least 1 item");
    if (!bounds.every((bound) => bound > 0)) throw refuse("buckets", "must be greater than 0");
    return { matches: within("match", () => compileStringMatcher(match)), bounds };
  });
  return (name) => settings.find(({ matches }) => matches(name))?.bounds ?? defaultBuckets;
}
