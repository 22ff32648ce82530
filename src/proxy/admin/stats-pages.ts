import { compileRegex } from "../matching/regex.ts";
import { type HistogramValue, quantile, type StatValue } from "../stats/main-stats.ts";
import { histogramText, prometheusText } from "../stats/render.ts";
import { type AdminAnswer, type AdminPage, type AdminRequest, jsonType } from "./page.ts";
import type { AdminSource } from "./source.ts";

const quantiles: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

interface Selection {
  readonly values: readonly StatValue[];
  readonly histograms: readonly HistogramValue[];
}

export const statsPages: readonly AdminPage[] = [
  {
    path: "/stats",
    help: "print server stats",
    parameters: [
      ["usedonly", "Only include stats that have been written by system since restart"],
      ["filter", "Regular expression (Google re2) for filtering stats"],
      ["format", "Format to use; One of (text, json, prometheus)"],
      ["type", "Stat types to include.; One of (All, Counters, Histograms, Gauges)"],
    ],
    answer: statsAnswer,
  },
  {
    path: "/stats/prometheus",
    help: "print server stats in prometheus format",
    parameters: [
      ["usedonly", "Only include stats that have been written by system since restart"],
      ["filter", "Regular expression (Google re2) for filtering stats"],
    ],
    answer: (request, source) =>
      withSelection(request, source, ({ values, histograms }) => ({
        body: prometheusText(values, histograms),
      })),
  },
  {
    path: "/reset_counters",
    post: true,
    help: "reset all counters to zero",
    answer: (_request, source) => {
      source.stats.resetCounters();
      return { body: "OK\n" };
    },
  },
];

function statsAnswer(request: AdminRequest, source: AdminSource): AdminAnswer {
  const format = request.query.get("format") ?? "text";
  if (format === "json") return withSelection(request, source, jsonStats);
  if (format === "prometheus")
    return withSelection(request, source, ({ values, histograms }) => ({
      body: prometheusText(values, histograms),
    }));
  if (format !== "text")
    return { status: 400, body: "usage: /stats?format=(text|json|prometheus)\n\n" };
  return withSelection(request, source, ({ values, histograms }) => {
    const lines = values.map(({ name, value }) => `${name}: ${value}`);
    lines.push(...histograms.map((histogram) => `${histogram.name}: ${histogramText(histogram)}`));
    return { body: lines.length === 0 ? "" : `${lines.join("\n")}\n` };
  });
}

function withSelection(
  { query }: AdminRequest,
  source: AdminSource,
  render: (selection: Selection) => AdminAnswer,
): AdminAnswer {
  const pattern = query.get("filter");
  let keep: (name: string) => boolean = () => true;
  if (pattern !== null && pattern !== "") {
    try {
      // A filter matches anywhere in the name.
      const regex = compileRegex(`(?s).*(?:${pattern}).*`);
      keep = (name) => regex.matches(name);
    } catch {
      return { status: 400, body: "Invalid re2 regex\n" };
    }
  }
  const invert = query.has("invert_filter");
  const usedOnly = query.has("usedonly");
  const type = query.get("type") ?? "All";
  const wanted = (name: string): boolean => keep(name) !== invert;
  const values = source.stats
    .values()
    .filter(
      (stat) =>
        wanted(stat.name) &&
        (!usedOnly || stat.used) &&
        (type === "All" ||
          (type === "Counters" && stat.kind === "counter") ||
          (type === "Gauges" && stat.kind === "gauge")),
    );
  const histograms =
    type === "All" || type === "Histograms"
      ? source.stats.histograms().filter(({ name }) => wanted(name))
      : [];
  return render({ values, histograms });
}

function jsonStats({ values, histograms }: Selection): AdminAnswer {
  const stats: unknown[] = values.map(({ name, value }) => ({ name, value }));
  if (histograms.length > 0) {
    stats.push({
      histograms: {
        supported_quantiles: quantiles,
        computed_quantiles: histograms.map((histogram) => ({
          name: histogram.name,
          values: quantiles.map((percent) => {
            const value = quantile(histogram, percent);
            const shown = Number.isNaN(value) ? null : value;
            return { cumulative: shown, interval: null };
          }),
        })),
      },
    });
  }
  return { type: jsonType, body: JSON.stringify({ stats }) };
}
