import { bucketBounds, bucketCount } from "./histogram-buckets.ts";
import { type HistogramValue, quantile, type StatValue } from "./main-stats.ts";
import { extractTags } from "./tags.ts";

const quantiles: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];
const bounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000,
  1_800_000, 3_600_000,
];

/** Envoy's text: `P0(interval,cumulative) P25(…) …`. There is no interval here: the first of the two is always nan. */
export function histogramText(histogram: HistogramValue): string {
  if (histogram.count === 0) return "No recorded values";
  return quantiles
    .map((percent) => `P${percent}(nan,${round(quantile(histogram, percent))})`)
    .join(" ");
}

function round(value: number): string {
  return String(Number(value.toPrecision(6)));
}

interface Series {
  readonly type: string;
  readonly lines: string[];
}

/** Prometheus' text format, with Envoy's series names and labels. */
export function prometheusText(
  values: readonly StatValue[],
  histograms: readonly HistogramValue[],
): string {
  const families = new Map<string, Series>();
  const family = (name: string, type: string): string[] => {
    let series = families.get(name);
    if (series === undefined) {
      series = { type, lines: [] };
      families.set(name, series);
    }
    return series.lines;
  };
  for (const stat of values) {
    const { name, labels } = seriesOf(stat.name);
    family(name, stat.kind).push(`${name}{${labels.join(",")}} ${stat.value}`);
  }
  for (const histogram of histograms) {
    const { name, labels } = seriesOf(histogram.name);
    family(name, "histogram").push(...histogramLines(name, labels, histogram));
  }
  let text = "";
  for (const name of [...families.keys()].sort()) {
    const { type, lines } = families.get(name) as Series;
    text += `# TYPE ${name} ${type}\n${lines.join("\n")}\n`;
  }
  return text;
}

function seriesOf(statName: string): { readonly name: string; readonly labels: readonly string[] } {
  const { name, tags } = extractTags(statName);
  return {
    name: `envoy_${name.replace(/[^a-zA-Z0-9_]/g, "_")}`,
    labels: tags.map(
      ([label, value]) =>
        `${label.replace(/[^a-zA-Z0-9_]/g, "_")}="${value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"')}"`,
    ),
  };
}

function histogramLines(
  name: string,
  labels: readonly string[],
  histogram: HistogramValue,
): string[] {
  const prefix = labels.length === 0 ? "" : `${labels.join(",")},`;
  const lines: string[] = [];
  let seen = 0;
  let bucket = 0;
  for (const bound of bounds) {
    while (bucket < bucketCount && bucketBounds(bucket)[0] < bound)
      seen += histogram.buckets[bucket++] ?? 0;
    lines.push(`${name}_bucket{${prefix}le="${bound}"} ${seen}`);
  }
  lines.push(
    `${name}_bucket{${prefix}le="+Inf"} ${histogram.count}`,
    `${name}_sum{${labels.join(",")}} ${histogram.sum}`,
    `${name}_count{${labels.join(",")}} ${histogram.count}`,
  );
  return lines;
}
