import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesSelector, parseSelector } from "./label-selector.ts";

const labels = { app: "reviews", version: "v2" };

function matches(text: string): boolean {
  const selector = parseSelector(text);
  assert.ok(!("problem" in selector), text);
  return matchesSelector(selector, labels);
}

for (const [text, expected] of [
  ["", true],
  ["app=reviews", true],
  ["app==reviews,version=v2", true],
  ["app=reviews,version=v1", false],
  ["version!=v1", true],
  ["team!=a", true],
  ["version in (v1, v2)", true],
  ["version in (v1,v3),app=reviews", false],
  ["version notin (v1, v2)", false],
  ["team notin (a)", true],
  ["app", true],
  ["team", false],
  ["!team", true],
  ["!app", false],
] as const)
  test(`selector "${text}" is ${expected}`, () => assert.equal(matches(text), expected));

test("what is no selector is named", () => {
  for (const text of ["app=a=b", "version in v1", "=x", "a b"])
    assert.ok("problem" in parseSelector(text), text);
});
