import assert from "node:assert/strict";
import { test } from "node:test";
import { readRequestLog, summarizeTrace } from "./trace.ts";

test("a request log of h2load: end, latency and whether it was answered well", () => {
  const text = "1795255677612554\t200\t489\n1795255677612555\t503\t518\n1795255677612556\t-1\t10\n";
  assert.deepEqual(readRequestLog(text), [
    { endUs: 1795255677613043, latencyUs: 489, ok: true },
    { endUs: 1795255677613073, latencyUs: 518, ok: false },
    { endUs: 1795255677612566, latencyUs: 10, ok: false },
  ]);
});

test("a line that h2load did not finish is an error, not a request", () => {
  assert.throws(() => readRequestLog("1795255677612554\t200\t489\n17952"), /not a line/);
});

test("only what ended in the window counts, and failures are apart", () => {
  const trace = Array.from({ length: 1000 }, (_, index) => ({
    endUs: 1000 + index,
    latencyUs: index,
    ok: index % 100 !== 0,
  }));
  const summary = summarizeTrace(trace, { beginUs: 1100, endUs: 1300 });
  assert.deepEqual(summary, {
    requests: 198,
    errors: 2,
    latencyUs: { p50: 201, p99: 298, p999: 299 },
  });
});

test("a window without a good answer is no measurement", () => {
  const trace = [{ endUs: 5, latencyUs: 1, ok: false }];
  assert.throws(() => summarizeTrace(trace, { beginUs: 0, endUs: 10 }), /no request succeeded, 1/);
});
