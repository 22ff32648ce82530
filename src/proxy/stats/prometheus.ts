import {
  countOf,
  countsBelow,
  type HistogramValue,
  quantile,
  quantiles,
  sumOf,
} from "./histogram.ts";
import type { StatValue } from "./main-stats.ts";
import type { StatsConfig } from "./stats-config.ts";
import { extractTags } from "./tags.ts";

interface Series {
  /** The name without its tags: what Envoy sorts families by. */
  readonly tagged: string;
  readonly family: string;
  /** `a="1",b="2"`. */
  readonly labels: string;
}

interface Named {
  readonly name: string;
}

/** Prometheus' text format, with Envoy's families, labels and order. */
export class PrometheusFormat {
  readonly #config: StatsConfig;
  /** As many as there are stats: extracting tags costs far more than printing a value. */
  readonly #series: Map<string, Series> = new Map();

  constructor(config: StatsConfig) {
    this.#config = config;
  }

  counters(values: readonly StatValue[]): string {
    return this.#families(values, "counter", line);
  }

  gauges(values: readonly StatValue[]): string {
    return this.#families(values, "gauge", line);
  }

  histograms(values: readonly HistogramValue[]): string {
    return this.#families(values, "histogram", (series, histogram) =>
      histogramLines(series, histogram, this.#config.boundsOf(histogram.name)),
    );
  }

  /** Quantiles of the last interval, as Envoy does under `histogram_buckets=summary`. */
  summaries(values: readonly HistogramValue[]): string {
    return this.#families(values, "summary", summaryLines);
  }

  seriesOf(name: string): Series {
    let series = this.#series.get(name);
    if (series === undefined) {
      series = makeSeries(name, this.#config);
      this.#series.set(name, series);
    }
    return series;
  }

  /** `values` are in name order, and so stay within their family. */
  #families<T extends Named>(
    values: readonly T[],
    type: string,
    print: (series: Series, value: T) => string,
  ): string {
    const families = new Map<string, { readonly sortKey: string; lines: string }>();
    for (const value of values) {
      const series = this.seriesOf(value.name);
      const family = families.get(series.family) ?? { sortKey: series.tagged, lines: "" };
      families.set(series.family, family);
      family.lines += print(series, value);
    }
    return [...families]
      .sort(([, a], [, b]) => (a.sortKey < b.sortKey ? -1 : 1))
      .map(([name, { lines }]) => `# TYPE ${name} ${type}\n${lines}`)
      .join("");
  }
}

function makeSeries(statName: string, config: StatsConfig): Series {
  const { name, tags } = extractTags(statName, config.tagRules);
  return {
    tagged: name,
    family: `envoy_${sanitized(name)}`,
    labels: tags.map(([label, value]) => `${sanitized(label)}="${escaped(value)}"`).join(","),
  };
}

function sanitized(text: string): string {
  return text.replace(/[^a-zA-Z0-9_]/g, "_");
}

/** The text format's escapes in label values. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function line({ family, labels }: Series, { value }: StatValue): string {
  return `${family}{${labels}} ${value}\n`;
}

function histogramLines(
  { family, labels }: Series,
  { buckets, count, sum }: HistogramValue,
  bounds: readonly number[],
): string {
  const prefix = labels === "" ? "" : `${labels},`;
  const counts = countsBelow(buckets, bounds);
  const lines = bounds.map((bound, i) => `${family}_bucket{${prefix}le="${bound}"} ${counts[i]}\n`);
  return (
    lines.join("") +
    `${family}_bucket{${prefix}le="+Inf"} ${count}\n` +
    `${family}_sum{${labels}} ${sum}\n` +
    `${family}_count{${labels}} ${count}\n`
  );
}

function summaryLines({ family, labels }: Series, { interval }: HistogramValue): string {
  const prefix = labels === "" ? "" : `${labels},`;
  const lines = quantiles.map((percent) => {
    const value = quantile(interval, percent);
    const shown = Number.isNaN(value) ? "nan" : String(value);
    return `${family}{${prefix}quantile="${percent / 100}"} ${shown}\n`;
  });
  return (
    lines.join("") +
    `${family}_sum{${labels}} ${sumOf(interval)}\n` +
    `${family}_count{${labels}} ${countOf(interval)}\n`
  );
}
