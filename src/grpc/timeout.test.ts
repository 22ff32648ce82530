import assert from "node:assert/strict";
import { test } from "node:test";
import { formatGrpcTimeout, formatWholeGrpcTimeout, parseGrpcTimeout } from "./timeout.ts";

test("a timeout is at most eight digits and a unit", () => {
  for (const [text, milliseconds] of [
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3000],
    ["4m", 4],
    ["5000u", 5],
    ["6000000n", 6],
    ["0m", 0],
    ["99999999S", 99_999_999_000],
  ] as const)
    assert.equal(parseGrpcTimeout(text), milliseconds, text);
  for (const text of [undefined, "", "S", "1", "1s", "-1S", "1.5S", " 1S", "100000000m"])
    assert.equal(parseGrpcTimeout(text), undefined, text ?? "none");
});

test("a timeout is written in the finest unit that holds it", () => {
  assert.equal(formatGrpcTimeout(0), "1u");
  assert.equal(formatGrpcTimeout(1.5), "1500u");
  assert.equal(formatGrpcTimeout(100_000), "100000m");
  assert.equal(formatWholeGrpcTimeout(0), "0m");
  assert.equal(formatWholeGrpcTimeout(99_999_999), "99999999m");
  assert.equal(formatWholeGrpcTimeout(100_000_500), "100000S");
  assert.equal(formatWholeGrpcTimeout(99_999_999_000 + 1000), "1666666M");
});
