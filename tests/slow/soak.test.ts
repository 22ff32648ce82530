/** The soak in short: what leaks with each request shows in seconds. `npm run test:soak` is the hour. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runSoak } from "./soak/run.ts";
import { judge } from "./soak/verdict.ts";

/** Sums of counters that so many requests move whatever the dice say; a soak in which nothing goes wrong shows nothing. */
const mustMove: readonly RegExp[] = [
  /^cluster\.mirror\.upstream_rq_total$/,
  /^cluster\.streams\.upstream_rq_total$/,
  /^cluster\.\w+\.ssl\.handshake$/,
  /^cluster\.\w+\.upstream_rq_retry$/,
  /^cluster\.\w+\.upstream_rq_rx_reset$/,
  /^cluster\.\w+\.upstream_rq_per_try_timeout$/,
  /^cluster\.\w+\.update_success$/,
  /^http\.\w+\.fault\.aborts_injected$/,
  /^http\.\w+\.fault\.delays_injected$/,
  /^http\.\w+\.compressor\..*\.compressed$/,
  /^http\.\w+\.downstream_rq_rx_reset$/,
];

test("after load with faults, ejections and new endpoints the proxy holds what it held before", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-soak-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const result = await runSoak({
    folder,
    cycle: { seconds: 8, requests: 480 },
    cycles: 3,
    rate: 60,
    seed: 1,
    tell: (line) => t.diagnostic(line),
  });
  assert.deepEqual(judge(result), []);
  for (const pattern of mustMove) {
    const moved = Object.entries(result.counters).some(
      ([name, value]) => pattern.test(name) && value > 0,
    );
    assert.ok(moved, `no counter like ${pattern} has moved`);
  }
});
