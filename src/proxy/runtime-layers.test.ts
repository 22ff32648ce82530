import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "#lib/config-error.ts";
import { LayeredRuntime } from "./runtime-layers.ts";

const layers = () =>
  new LayeredRuntime({
    layers: [
      {
        name: "base",
        staticLayer: {
          a: 5,
          b: { c: true, d: "text" },
          share: { numerator: 3, denominator: "TEN_THOUSAND" },
          quoted: "true",
        },
      },
      { name: "over", staticLayer: { a: 6 } },
      { name: "admin", adminLayer: {} },
    ],
  });

test("a later layer wins, nested maps are keys with dots", () => {
  const runtime = layers();
  assert.equal(runtime.number("a", 1), 6);
  assert.equal(runtime.number("absent", 1), 1);
  assert.equal(runtime.boolean("b.c", false), true);
  assert.equal(runtime.boolean("quoted", false), true);
  assert.equal(runtime.boolean("b.d", true), true);
});

test("a fraction comes from a percentage, a FractionalPercent or the default", () => {
  const runtime = layers();
  assert.equal(runtime.featureEnabled("a", 100, 100, 0.0599), true);
  assert.equal(runtime.featureEnabled("a", 100, 100, 0.06), false);
  assert.equal(runtime.featureEnabled("share", 100, 100, 0.0002), true);
  assert.equal(runtime.featureEnabled("share", 100, 100, 0.0003), false);
  assert.equal(runtime.featureEnabled("absent", 1, 10_000, 0.00009), true);
  assert.equal(runtime.featureEnabled(undefined, 1, 10_000, 0.0001), false);
  assert.equal(runtime.featureEnabled("b.d", 0, 100, 0), false);
});

test("the admin layer overrides, and an empty value takes the override away", () => {
  const runtime = layers();
  assert.equal(runtime.modify(new Map([["a", "100"]])), undefined);
  assert.equal(runtime.featureEnabled("a", 0, 100, 0.99), true);
  assert.deepEqual(runtime.listing().entries["a"], {
    finalValue: "100",
    layerValues: ["5", "6", "100"],
  });
  runtime.modify(new Map([["a", ""]]));
  assert.equal(runtime.number("a", 0), 6);
  assert.deepEqual(runtime.listing().layers, ["base", "over", "admin"]);
});

test("overrides of one object are another's", () => {
  const [main, worker] = [layers(), layers()];
  worker.modify(new Map([["stale", "1"]]));
  main.modify(new Map([["a", "9"]]));
  worker.setOverrides(main.overrides());
  assert.equal(worker.number("a", 0), 9);
  assert.equal(worker.number("stale", 0), 0);
});

test("without an admin layer nothing can be modified", () => {
  assert.equal(
    new LayeredRuntime(undefined).modify(new Map([["a", "1"]])),
    "No admin layer specified",
  );
});

test("lists and a second admin layer are refused", () => {
  const list = { layers: [{ name: "a", staticLayer: { l: [1] } }] };
  assert.throws(() => new LayeredRuntime(list), ConfigError);
  const admins = {
    layers: [
      { name: "a", adminLayer: {} },
      { name: "b", adminLayer: {} },
    ],
  };
  assert.throws(() => new LayeredRuntime(admins), /layers\[1\]: there can be one admin_layer only/);
});
