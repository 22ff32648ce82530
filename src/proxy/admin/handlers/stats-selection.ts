import type { HistogramValue } from "../../stats/histogram.ts";
import type { StatValue } from "../../stats/main-stats.ts";
import { nameFilter } from "../name-filter.ts";
import type { AdminContext } from "../page.ts";
import { updateServerStats } from "../server-stats.ts";

export const statTypes = ["All", "Counters", "Histograms", "Gauges", "TextReadouts"] as const;

/** What a request asks for, in name order. */
export interface Selection {
  readonly counters: readonly StatValue[];
  readonly gauges: readonly StatValue[];
  readonly histograms: readonly HistogramValue[];
}

export function select(
  query: ReadonlyMap<string, string>,
  context: AdminContext,
): Selection | { readonly problem: string } {
  const { source, statsConfig } = context;
  const type = query.get("type") ?? "All";
  if (!statTypes.some((known) => known === type)) return { problem: "invalid &type= param" };
  const filter = nameFilter(query.get("filter"));
  if ("problem" in filter) return { problem: `Invalid re2 regex: ${filter.problem}` };
  const invert = query.has("invert_filter") && query.has("filter");
  const usedOnly = query.has("usedonly");
  // Workers do not keep what stats_matcher refuses, and whoever does, does not show it.
  const accepts = statsConfig.accepts ?? (() => true);
  const kept = <T extends { readonly name: string }>(
    kind: (typeof statTypes)[number],
    all: () => readonly T[],
    isUsed: (stat: T) => boolean,
  ): readonly T[] =>
    type !== "All" && type !== kind
      ? []
      : all().filter(
          (stat) =>
            accepts(stat.name) &&
            filter.matches(stat.name) !== invert &&
            (!usedOnly || isUsed(stat)),
        );
  updateServerStats(context);
  return {
    counters: kept(
      "Counters",
      () => source.stats.counters(),
      ({ used }) => used,
    ),
    gauges: kept(
      "Gauges",
      () => source.stats.gauges(),
      ({ used }) => used,
    ),
    histograms: kept(
      "Histograms",
      () => source.stats.histograms(),
      ({ count }) => count > 0,
    ),
  };
}

/** Counters and gauges in one order of names, as Envoy's text and JSON have them. */
export function inNameOrder({ counters, gauges }: Selection): StatValue[] {
  return [...counters, ...gauges].sort((a, b) => (a.name < b.name ? -1 : 1));
}
