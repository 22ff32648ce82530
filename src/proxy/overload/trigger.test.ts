import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileTrigger, Triggers } from "./trigger.ts";

describe("triggers", () => {
  it("threshold: nothing below it, everything from it on", () => {
    const trigger = compileTrigger({ name: "a", threshold: { value: 0.5 } });
    assert.deepEqual([0, 0.499, 0.5, 2].map(trigger.level), [0, 0, 1, 1]);
  });

  it("scaled: the part of the way between its thresholds", () => {
    const trigger = compileTrigger({
      name: "a",
      scaled: { scalingThreshold: 0.25, saturationThreshold: 0.75 },
    });
    assert.deepEqual([0, 0.25, 0.375, 0.5, 0.75, 3].map(trigger.level), [0, 0, 0.25, 0.5, 1, 1]);
  });

  it("refuses scaled thresholds that leave no way, and no trigger at all", () => {
    const scaled = { scalingThreshold: 0.5, saturationThreshold: 0.5 };
    assert.throws(() => compileTrigger({ name: "a", scaled }), /must be less than/);
    assert.throws(() => compileTrigger({ name: "a" }), /action not set for trigger a/);
  });

  it("together are as strong as the strongest, and say what changed", () => {
    const both = new Triggers([
      compileTrigger({ name: "a", threshold: { value: 0.5 } }),
      compileTrigger({ name: "b", scaled: { scalingThreshold: 0, saturationThreshold: 1 } }),
    ]);
    assert.equal(both.update("c", 1), undefined);
    assert.equal(both.update("b", 0.25), 0.25);
    assert.equal(both.update("a", 0.7), 1);
    assert.equal(both.update("a", 0.8), undefined);
    assert.equal(both.level, 1);
    assert.equal(both.update("a", 0), 0);
    assert.equal(both.level, 0.25);
  });
});
