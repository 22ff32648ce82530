import assert from "node:assert/strict";
import { it } from "node:test";
import { ConfigError } from "./config-error.ts";
import { durationMs } from "./duration.ts";

it("reads ProtoJSON durations in milliseconds", () => {
  assert.equal(durationMs("1s"), 1000);
  assert.equal(durationMs("0.250s"), 250);
  assert.equal(durationMs("0s"), 0);
  assert.equal(durationMs("-1.5s"), -1500);
  assert.equal(durationMs("315576000000s"), 315_576_000_000_000);
});

it("takes the default for an absent one", () => {
  assert.equal(durationMs(undefined, 15_000), 15_000);
  assert.equal(durationMs("0s", 15_000), 0);
});

it("refuses what is none", () => {
  for (const bad of ["", "s", "1", "1m", "1 s", "one s", "0x1s", "Infinitys", "1e3s"]) {
    assert.throws(() => durationMs(bad), ConfigError, bad);
  }
});
