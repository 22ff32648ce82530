import assert from "node:assert/strict";
import { test } from "node:test";
import { Roster } from "./roster.ts";

const member = (name: string) => ({ name, place: -1 });

test("members join and leave in any order", () => {
  const roster = new Roster<ReturnType<typeof member>>();
  const [a, b, c] = [member("a"), member("b"), member("c")];
  for (const each of [a, b, c]) roster.add(each);
  assert.equal(roster.remove(a), true);
  assert.equal(roster.remove(a), false);
  assert.deepEqual(
    roster
      .values()
      .map(({ name }) => name)
      .sort(),
    ["b", "c"],
  );
  assert.equal(roster.remove(c), true);
  assert.equal(roster.remove(b), true);
  assert.equal(roster.size, 0);
  roster.add(a);
  assert.equal(roster.size, 1);
});

test("a stranger is not removed", () => {
  const roster = new Roster<ReturnType<typeof member>>();
  const other = new Roster<ReturnType<typeof member>>();
  const [a, b] = [member("a"), member("b")];
  roster.add(a);
  other.add(b);
  assert.equal(roster.remove(b), false);
  assert.equal(roster.size, 1);
});
