import {
  type Buckets,
  countsBelow,
  type HistogramValue,
  quantile,
  quantiles,
} from "./histogram.ts";
import { bucketBounds } from "./histogram-buckets.ts";

/** How a histogram is shown in text and JSON. */
export type HistogramMode = "summary" | "cumulative" | "disjoint" | "detailed";

/** What follows the name on a histogram's line. */
export function histogramText(
  histogram: HistogramValue,
  mode: HistogramMode,
  bounds: readonly number[],
): string {
  if (histogram.count === 0) return "No recorded values";
  switch (mode) {
    case "summary":
      return summaryText(histogram);
    case "cumulative":
    case "disjoint":
      return bucketCounts(histogram, mode, bounds)
        .map(({ bound, interval, cumulative }) => `B${short(bound)}(${interval},${cumulative})`)
        .join(" ");
    case "detailed":
      return `\n  totals=${detailText(histogram.buckets)}\n  intervals=${detailText(histogram.interval)}\n  summary=${summaryText(histogram)}`;
  }
}

export interface BucketCount {
  readonly bound: number;
  readonly interval: number;
  readonly cumulative: number;
}

/** Values up to each bound; `disjoint`: above the one before. */
export function bucketCounts(
  { buckets, interval }: HistogramValue,
  mode: "cumulative" | "disjoint",
  bounds: readonly number[],
): BucketCount[] {
  const all = countsBelow(buckets, bounds);
  const last = countsBelow(interval, bounds);
  return bounds.map((bound, i) => {
    const before = mode === "cumulative" || i === 0 ? undefined : i - 1;
    const since = (counts: readonly number[]): number =>
      (counts[i] ?? 0) - (before === undefined ? 0 : (counts[before] ?? 0));
    return { bound, interval: since(last), cumulative: since(all) };
  });
}

/** null where there is no value: JSON has no NaN. */
export function quantileValues({ buckets, interval }: HistogramValue): {
  readonly cumulative: number | null;
  readonly interval: number | null;
}[] {
  return quantiles.map((percent) => ({
    cumulative: orNull(quantile(buckets, percent)),
    interval: orNull(quantile(interval, percent)),
  }));
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

function summaryText({ buckets, interval }: HistogramValue): string {
  return quantiles
    .map((percent) => {
      const values = [interval, buckets].map((side) => quantile(side, percent));
      return `P${percent}(${values.map((value) => (Number.isNaN(value) ? "nan" : value)).join(",")})`;
    })
    .join(" ");
}

function detailText(buckets: Buckets): string {
  return buckets
    .map(([bucket, count]) => {
      const { lower, width } = bucketBounds(bucket);
      return `${lower},${width}:${count}`;
    })
    .join(", ");
}

/** C's %g: six digits, an exponent from a million on. */
function short(value: number): string {
  if (value < 1e6) return String(value);
  return value.toExponential().replace(/e\+(\d)$/, "e+0$1");
}
