import { quantile } from "../../stats/histogram.ts";
import { escapeHtml, htmlPage } from "../html.ts";
import { inNameOrder, type Selection } from "./stats-selection.ts";

/** /stats?format=html: a table and the filters that made it. */
export function statsHtml(selection: Selection, query: ReadonlyMap<string, string>): string {
  const rows = inNameOrder(selection).map(
    ({ name, value }) =>
      `<tr><td class="name">${escapeHtml(name)}</td><td class="number">${value}</td></tr>`,
  );
  const histograms = selection.histograms.map(({ name, count, buckets }) => {
    const numbers = [50, 90, 99, 100].map((percent) => number(quantile(buckets, percent)));
    const cells = [String(count), ...numbers].map((cell) => `<td class="number">${cell}</td>`);
    return `<tr><td class="name">${escapeHtml(name)}</td>${cells.join("")}</tr>`;
  });
  return htmlPage(
    "Heddle proxy: stats",
    `<h1><a href="/">Heddle proxy</a> <small>stats</small></h1>
${filterForm(query)}
<table>${rows.join("\n")}</table>
<table><tr><th>histogram</th><th>count</th><th>P50</th><th>P90</th><th>P99</th><th>P100</th></tr>
${histograms.join("\n")}</table>`,
  );
}

function filterForm(query: ReadonlyMap<string, string>): string {
  const filter = escapeHtml(query.get("filter") ?? "");
  const used = query.has("usedonly") ? " checked" : "";
  return `<form action="/stats"><input type="hidden" name="format" value="html"><input name="filter" value="${filter}" placeholder="pattern" size="30"><label><input type="checkbox" name="usedonly"${used}> used only</label><button>show</button></form>`;
}

function number(value: number): string {
  return Number.isNaN(value) ? "" : String(Number(value.toPrecision(4)));
}
