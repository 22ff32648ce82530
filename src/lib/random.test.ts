import assert from "node:assert/strict";
import { it } from "node:test";
import { systemRandom } from "./random.ts";

it("uuid is a version 4 UUID of RFC 9562, of any variant digit, and never the same twice", () => {
  const seen = new Set<string>();
  const variants = new Set<string | undefined>();
  for (let i = 0; i < 2000; i++) {
    const id = systemRandom.uuid();
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    seen.add(id);
    variants.add(id[19]);
  }
  assert.equal(seen.size, 2000);
  assert.deepEqual([...variants].sort(), ["8", "9", "a", "b"]);
});

it("unit and below stay in their ranges", () => {
  for (let i = 0; i < 1000; i++) {
    const unit = systemRandom.unit();
    assert.ok(unit >= 0 && unit < 1);
    const below = systemRandom.below(3);
    assert.ok(Number.isInteger(below) && below >= 0 && below < 3);
  }
});
