import assert from "node:assert/strict";
import { test } from "node:test";
import { goDuration } from "./go-duration.ts";

test("a duration of Go's is one of ProtoJSON's", () => {
  assert.equal(goDuration("1m30s"), "90s");
  assert.equal(goDuration("500ms"), "0.5s");
  assert.equal(goDuration("1.5h"), "5400s");
  assert.equal(goDuration("0s"), "0s");
});

test("what is none is undefined", () => {
  for (const text of ["", "30", "s", "-1s", "1d", "1s!"]) assert.equal(goDuration(text), undefined);
});
