import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedSlots } from "./shared-slots.ts";

test("there is a number for each extension and each token bucket, in all depths", () => {
  const typedConfig = {
    "@type": "type.googleapis.com/a",
    httpFilters: [{ typedConfig: { "@type": "type.googleapis.com/b", tokenBucket: {} } }],
  };
  const buffer = SharedSlots.allocate([{ filterChains: [{ filters: [{ typedConfig }] }] }]);
  const slots = new SharedSlots(buffer);
  assert.ok(slots.take());
  assert.ok(slots.take());
  assert.ok(slots.take());
  assert.equal(slots.take(), undefined);
});

test("the n-th number of one worker is the n-th of the others", () => {
  const buffer = new SharedArrayBuffer(16);
  const [one, other] = [new SharedSlots(buffer), new SharedSlots(buffer)];
  const [first, second] = [one.take(), one.take()];
  assert.ok(first !== undefined && second !== undefined);
  Atomics.add(second, 0, 5n);
  assert.equal(other.take()?.[0], 0n);
  assert.equal(other.take()?.[0], 5n);
});
