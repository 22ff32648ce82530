import { type Buckets, quantiles } from "../../stats/histogram.ts";
import { bucketBounds } from "../../stats/histogram-buckets.ts";
import {
  bucketCounts,
  type HistogramMode,
  histogramText,
  quantileValues,
} from "../../stats/histogram-text.ts";
import {
  type AdminAnswer,
  type AdminContext,
  type AdminPage,
  type AdminParameter,
  type AdminRequest,
  htmlType,
  jsonType,
} from "../page.ts";
import { statsHtml } from "./stats-html.ts";
import { inNameOrder, type Selection, select, statTypes } from "./stats-selection.ts";

const shared: readonly AdminParameter[] = [
  { name: "usedonly", help: "Only stats that were ever written" },
  { name: "filter", help: "RE2 pattern that a stat's name contains" },
  { name: "invert_filter", help: "Only stats that the filter leaves out" },
];
const modes = ["cumulative", "disjoint", "detailed", "summary"] as const;

export const statsPages: readonly AdminPage[] = [
  {
    path: "/stats",
    help: "print server stats",
    parameters: [
      ...shared,
      {
        name: "format",
        help: "Form of the answer",
        choices: ["html", "text", "json", "prometheus"],
      },
      { name: "type", help: "Kinds of stats", choices: statTypes },
      { name: "histogram_buckets", help: "How histograms are shown", choices: modes },
    ],
    answer: stats,
  },
  {
    path: "/stats/prometheus",
    help: "print server stats in prometheus format",
    parameters: [
      ...shared,
      {
        name: "histogram_buckets",
        help: "How histograms are shown",
        choices: ["cumulative", "summary"],
      },
    ],
    answer: prometheus,
  },
];

function stats(request: AdminRequest, context: AdminContext): AdminAnswer {
  const format = request.query.get("format") ?? "text";
  if (format === "prometheus") return prometheus(request, context);
  const mode = histogramMode(request);
  if (mode === undefined) {
    return { status: 400, body: `usage: /stats?histogram_buckets=(${modes.join("|")})\n` };
  }
  const selection = select(request.query, context);
  if ("problem" in selection) return { status: 400, body: selection.problem };
  switch (format) {
    case "text":
      return { body: text(selection, mode, context) };
    case "json":
      return {
        type: jsonType,
        body: JSON.stringify({ stats: jsonStats(selection, mode, context) }),
      };
    case "html":
      return { type: htmlType, body: statsHtml(selection, request.query) };
    default:
      return { status: 400, body: "usage: /stats?format=(html|json|prometheus|text)\n\n" };
  }
}

function histogramMode({ query }: AdminRequest): HistogramMode | undefined {
  const mode = query.get("histogram_buckets") ?? "summary";
  return mode === "none" || mode === "" ? "summary" : modes.find((known) => known === mode);
}

function prometheus({ query }: AdminRequest, context: AdminContext): AdminAnswer {
  const mode = query.get("histogram_buckets") ?? "cumulative";
  if (!["cumulative", "summary", "none"].includes(mode)) {
    return { status: 400, body: "unsupported prometheus histogram bucket mode" };
  }
  const selection = select(query, context);
  if ("problem" in selection) return { status: 400, body: selection.problem };
  const { prometheus: format } = context;
  const { counters, gauges, histograms } = selection;
  const last = mode === "cumulative" ? format.histograms(histograms) : format.summaries(histograms);
  return { body: format.counters(counters) + format.gauges(gauges) + last };
}

function text(selection: Selection, mode: HistogramMode, { statsConfig }: AdminContext): string {
  const lines = inNameOrder(selection).map(({ name, value }) => `${name}: ${value}\n`);
  for (const histogram of selection.histograms) {
    const shown = histogramText(histogram, mode, statsConfig.boundsOf(histogram.name));
    lines.push(`${histogram.name}: ${shown}\n`);
  }
  return lines.join("");
}

function jsonStats(
  selection: Selection,
  mode: HistogramMode,
  { statsConfig }: AdminContext,
): readonly unknown[] {
  const { histograms } = selection;
  const all: unknown[] = inNameOrder(selection).map(({ name, value }) => ({ name, value }));
  if (histograms.length === 0) return all;
  switch (mode) {
    case "summary":
      all.push({
        histograms: {
          supported_quantiles: quantiles,
          computed_quantiles: histograms.map((histogram) => ({
            name: histogram.name,
            values: quantileValues(histogram),
          })),
        },
      });
      return all;
    case "detailed":
      all.push({
        histograms: {
          supported_percentiles: quantiles,
          details: histograms.map((histogram) => ({
            name: histogram.name,
            totals: detail(histogram.buckets),
            intervals: detail(histogram.interval),
            percentiles: quantileValues(histogram),
          })),
        },
      });
      return all;
    case "cumulative":
    case "disjoint":
      all.push({
        histograms: histograms.map((histogram) => ({
          name: histogram.name,
          buckets: bucketCounts(histogram, mode, statsConfig.boundsOf(histogram.name)).map(
            ({ bound, interval, cumulative }) => ({ upper_bound: bound, interval, cumulative }),
          ),
        })),
      });
      return all;
  }
}

function detail(buckets: Buckets): readonly unknown[] {
  return buckets.map(([bucket, count]) => {
    const { lower, width } = bucketBounds(bucket);
    return { lower_bound: lower, width, count };
  });
}
