import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { StreamTable } from "./stream-table.ts";

test("does what a Map does, whatever comes and goes", () => {
  const random = seededRandom(7);
  const table = new StreamTable<{ id: number }>();
  const model = new Map<number, { id: number }>();
  let next = 1;
  for (let step = 0; step < 50_000; step++) {
    // Waves: it grows to hundreds, and shrinks again.
    const growing = Math.sin(step / 3000) > 0;
    if (random.unit() < (growing ? 0.7 : 0.3)) {
      const stream = { id: next };
      table.set(next, stream);
      model.set(next, stream);
      next += 2 + 2 * random.below(3);
    } else {
      const ids = [...model.keys()];
      const id = ids[random.below(ids.length)] ?? next;
      assert.equal(table.delete(id), model.delete(id));
    }
    assert.equal(table.size, model.size);
    const asked = 1 + 2 * random.below(next);
    assert.equal(table.get(asked), model.get(asked));
  }
  for (const [id, stream] of model) assert.equal(table.get(id), stream);
  assert.deepEqual(
    table.values().sort((a, b) => a.id - b.id),
    [...model.values()],
  );
});

test("an id set again replaces", () => {
  const table = new StreamTable<string>();
  table.set(1, "a");
  table.set(1, "b");
  assert.deepEqual([table.size, table.get(1)], [1, "b"]);
  assert.equal(table.delete(1), true);
  assert.equal(table.delete(1), false);
  assert.equal(table.get(1), undefined);
});
