import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricsRegistry } from "./prometheus.ts";

test("metrics are written as Prometheus reads them", () => {
  const registry = new MetricsRegistry();
  const pushes = registry.counter("pushes", "What was pushed.");
  pushes.add(1, { type: "cds" });
  pushes.add(2, { type: "cds" });
  pushes.add(1, { type: 'a"b\\c\nd' });
  registry.gauge("clients", "Now.", (gauge) => gauge.set(7));
  const seconds = registry.histogram("seconds", "How long.", [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 3]) seconds.observe(value);
  assert.equal(
    registry.text(),
    `# HELP pushes What was pushed.
# TYPE pushes counter
pushes{type="cds"} 3
pushes{type="a\\"b\\\\c\\nd"} 1
# HELP clients Now.
# TYPE clients gauge
clients 7
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{le="0.1"} 2
seconds_bucket{le="1"} 3
seconds_bucket{le="+Inf"} 4
seconds_sum 3.65
seconds_count 4
`,
  );
});

test("a metric has no more label sets than its limit", () => {
  const registry = new MetricsRegistry();
  const counter = registry.counter("many", "Too many.");
  for (let index = 0; index < 3000; index++) counter.add(1, { index: String(index) });
  assert.equal(registry.text().split("\n").length, 2000 + 3);
  assert.equal(counter.value({ index: "2999" }), 0);
});
