import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MainStats } from "./main-stats.ts";
import { PrometheusFormat } from "./prometheus.ts";
import { compileStatsConfig } from "./stats-config.ts";

/** `<name> <series>`, both as Envoy 1.40 printed them for configurations with dotted and undotted names, TLS, RBAC, gRPC, RDS … */
const recorded = readFileSync(new URL("./testdata/envoy-series.txt", import.meta.url), "utf8")
  .trimEnd()
  .split("\n");

test("every name has Envoy's family and labels, in Envoy's order", () => {
  const format = new PrometheusFormat(compileStatsConfig());
  assert.ok(recorded.length > 250);
  for (const line of recorded) {
    const space = line.indexOf(" ");
    const { family, labels } = format.seriesOf(line.slice(0, space));
    assert.equal(`${family}{${labels}}`, line.slice(space + 1));
  }
});

function filled(): MainStats {
  const stats = new MainStats();
  for (const line of recorded) stats.own.counter(line.slice(0, line.indexOf(" "))).inc();
  stats.own.gauge("cluster.a.membership_total").set(2);
  stats.own.gauge('cluster.say "hi"\\.membership_total').set(1);
  for (const value of [0, 3, 3, 700])
    stats.own.histogram("http.h.downstream_rq_time").record(value);
  stats.own.histogram("cluster.a.upstream_rq_time");
  return stats;
}

function print(stats: MainStats, format: PrometheusFormat): string {
  return (
    format.counters(stats.counters()) +
    format.gauges(stats.gauges()) +
    format.histograms(stats.histograms())
  );
}

test("the text is valid: one TYPE before all samples of a family, no sample twice, names and escapes as the format has them", () => {
  const text = print(filled(), new PrometheusFormat(compileStatsConfig()));
  const families = new Set<string>();
  const samples = new Set<string>();
  let family = "";
  assert.ok(text.endsWith("\n"));
  for (const line of text.trimEnd().split("\n")) {
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      family = type[1] ?? "";
      assert.ok(!families.has(family), `${family} twice`);
      families.add(family);
      continue;
    }
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*",?)*)\} \d+$/.exec(
        line,
      );
    assert.ok(sample !== null, line);
    assert.equal(
      (sample[1] ?? "").replace(/_(?:bucket|sum|count)$/, ""),
      family.replace(/_(?:sum|count)$/, ""),
    );
    assert.ok(!samples.has(`${sample[1]}{${sample[2]}}`), `${line} twice`);
    samples.add(`${sample[1]}{${sample[2]}}`);
  }
  assert.ok(text.includes('{envoy_cluster_name="say \\"hi\\"\\\\"} 1\n'));
});

test("a histogram's buckets are cumulative and end in +Inf, sum and count", () => {
  const lines = print(filled(), new PrometheusFormat(compileStatsConfig()))
    .split("\n")
    .filter((line) => line.startsWith("envoy_http_downstream_rq_time"));
  const label = 'envoy_http_conn_manager_prefix="h"';
  assert.equal(lines[0], `envoy_http_downstream_rq_time_bucket{${label},le="0.5"} 1`);
  assert.equal(lines[2], `envoy_http_downstream_rq_time_bucket{${label},le="5"} 3`);
  assert.deepEqual(lines.slice(-4), [
    `envoy_http_downstream_rq_time_bucket{${label},le="3600000"} 4`,
    `envoy_http_downstream_rq_time_bucket{${label},le="+Inf"} 4`,
    `envoy_http_downstream_rq_time_sum{${label}} 706`,
    `envoy_http_downstream_rq_time_count{${label}} 4`,
  ]);
});

test("a summary shows the last interval", () => {
  const stats = new MainStats();
  const format = new PrometheusFormat(compileStatsConfig());
  stats.own.histogram("h").record(8);
  assert.match(format.summaries(stats.histograms()), /envoy_h\{quantile="0.5"\} nan\n/);
  stats.flushInterval();
  assert.match(format.summaries(stats.histograms()), /envoy_h\{quantile="0.5"\} 8.05\n/);
  assert.match(format.summaries(stats.histograms()), /envoy_h_count\{\} 1\n/);
});

test("stats_config: own tags, fixed tags and own buckets", () => {
  const format = new PrometheusFormat(
    compileStatsConfig({
      statsTags: [
        { tagName: "my.tag", regex: "^http\\.((ih)ttp\\.)" },
        { tagName: "fixed", fixedValue: 'v"1' },
      ],
      histogramBucketSettings: [{ match: { prefix: "http." }, buckets: [10, 1] }],
    }),
  );
  // As Envoy 1.40 prints it: every pattern sees the whole name, so both tags find "ihttp."
  assert.deepEqual(
    format.seriesOf("http.ihttp.downstream_rq_2xx").labels,
    'envoy_response_code_class="2",fixed="v\\"1",envoy_http_conn_manager_prefix="ihttp",my_tag="ih"',
  );
  assert.equal(
    format.seriesOf("http.ihttp.downstream_rq_2xx").family,
    "envoy_http_downstream_rq_xx",
  );
  const stats = new MainStats();
  stats.own.histogram("http.ihttp.downstream_rq_time").record(5);
  const bounds = [...format.histograms(stats.histograms()).matchAll(/le="([^"]+)"\} (\d)/g)];
  assert.deepEqual(
    bounds.map(([, bound, count]) => [bound, count]),
    [
      ["1", "0"],
      ["10", "1"],
      ["+Inf", "1"],
    ],
  );
});

test("stats_config: without the default tags only the user's are cut out", () => {
  const format = new PrometheusFormat(
    compileStatsConfig({
      useAllDefaultTags: false,
      statsTags: [{ tagName: "envoy.cluster_name" }],
    }),
  );
  assert.equal(format.seriesOf("cluster.a.x").labels, 'envoy_cluster_name="a"');
  assert.equal(format.seriesOf("http.a.x").labels, "");
});
