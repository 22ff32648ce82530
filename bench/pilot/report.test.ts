import assert from "node:assert/strict";
import { test } from "node:test";
import { quantile, table } from "./report.ts";

test("quantiles are values that were measured", () => {
  assert.deepEqual(
    [0.5, 0.99, 1].map((share) => quantile([4, 1, 3, 2], share)),
    [2, 4, 4],
  );
  assert.equal(quantile([7], 0.5), 7);
});

test("control planes stand below each other", () => {
  const row = (contender: string, work: string) => ({
    contender,
    work,
    waitsMs: 100,
    tookMs: [
      [110, 120],
      [130, 140],
      [150, 160],
    ],
    cpuSeconds: [1, 2, 3],
    bytes: [10, 20_000, 30_000],
    memory: { residentKb: 1024, peakKb: 2048 },
  });
  const rows = [row("a", "x"), row("a", "y"), row("b", "x"), row("b", "y")];
  const text = table(rows, { proxies: 2, services: 1, endpoints: 1, rounds: 3 }, "2026-01-01");
  const lines = text.split("\n").filter((line) => /^\| [xy]/.test(line));
  assert.deepEqual(
    lines.map((line) => line.slice(0, 9)),
    ["| x | a |", "| x | b |", "| y | a |", "| y | b |"],
  );
  assert.equal(lines[0], "| x | a | 130 ms | 140 ms | 140 ms | 100 ms | 2.00 | 20 kB |");
  assert.match(text, /- b: 1 MiB at the end, 2 MiB at most/);
});
