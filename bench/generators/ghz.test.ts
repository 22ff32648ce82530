import assert from "node:assert/strict";
import { test } from "node:test";
import { readGhzReport } from "./ghz.ts";

test("ghz's JSON: every call with its end, latency and status", () => {
  const details = [
    { timestamp: "2026-11-21T10:00:00.123456789Z", latency: 1_500_000, error: "", status: "OK" },
    {
      timestamp: "2026-11-21T11:00:01.5+01:00",
      latency: 2000,
      error: "rpc error: code = Unavailable desc = closing",
      status: "Unavailable",
    },
  ];
  const start = Date.parse("2026-11-21T10:00:00Z") * 1000;
  assert.deepEqual(readGhzReport(JSON.stringify({ count: 2, details })), [
    { endUs: start + 123_000, latencyUs: 1500, ok: true },
    { endUs: start + 1_500_000, latencyUs: 2, ok: false },
  ]);
});

test("a report without calls is refused", () => {
  assert.throws(() => readGhzReport('{"count":0}'), /no details/);
  assert.throws(() => readGhzReport('{"details":[{"latency":1}]}'), /not a call/);
});
