import assert from "node:assert/strict";
import { test } from "node:test";
import { readProfile, selfTimes } from "./cpu-profile.ts";

const node = (id: number, functionName: string, url = "", lineNumber = 0): object => ({
  id,
  callFrame: { functionName, url, lineNumber },
});

const text = JSON.stringify({
  nodes: [
    node(1, "(idle)"),
    node(2, "parse", "file:///somewhere/dist/http/h1/parser.js", 9),
    node(3, "(garbage collector)"),
    node(4, "parse", "file:///somewhere/dist/http/h1/parser.js", 9),
  ],
  samples: [1, 2, 3, 4],
  timeDeltas: [5000, 4000, 2000, 2000],
});

test("self time of a function is summed over the places it was called from, without idle time", () => {
  assert.equal(
    selfTimes(readProfile(text), 10),
    [
      "busy 8 ms, idle 5 ms",
      "  75.0 %  parse  dist/http/h1/parser.js:10",
      "  25.0 %  (garbage collector)",
    ].join("\n"),
  );
});

test("only the asked number of functions is shown", () => {
  assert.equal(selfTimes(readProfile(text), 1).split("\n").length, 2);
});

test("something else is refused", () => {
  assert.throws(() => readProfile(`{"nodes":[]}`), /not a CPU profile/);
});
