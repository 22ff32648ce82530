import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeaderList, internName } from "./headers.ts";

const fields = fc.array(
  fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("a", "b", "1", "")),
  { maxLength: 8 },
);
const name = fc.constantFrom("a", "b", "c", "d", "e");

const listOf = (entries: readonly (readonly [string, string])[]): HeaderList =>
  new HeaderList(entries.flat());

test("look-ups find the first, all, or nothing; values are not taken for names", () => {
  fc.assert(
    fc.property(fields, name, (entries, wanted) => {
      const list = listOf(entries);
      const values = entries.filter(([key]) => key === wanted).map(([, value]) => value);
      assert.equal(list.get(wanted), values[0]);
      assert.equal(list.has(wanted), values.length > 0);
      assert.deepEqual(list.getAll(wanted), values);
    }),
  );
});

test("remove takes every field of the name and says whether there was one", () => {
  fc.assert(
    fc.property(fields, name, (entries, unwanted) => {
      const list = listOf(entries);
      const rest = entries.filter(([key]) => key !== unwanted);
      assert.equal(list.remove(unwanted), rest.length < entries.length);
      assert.deepEqual([...list], rest);
    }),
  );
});

test("set replaces the first in its place, drops the others, or appends", () => {
  fc.assert(
    fc.property(fields, name, (entries, key) => {
      const list = listOf(entries);
      list.set(key, "new");
      const at = entries.findIndex(([each]) => each === key);
      const expected: (readonly [string, string])[] =
        at === -1
          ? [...entries, [key, "new"]]
          : [
              ...entries.slice(0, at),
              [key, "new"],
              ...entries.slice(at + 1).filter(([each]) => each !== key),
            ];
      assert.deepEqual([...list], expected);
    }),
  );
});

test("removeIf keeps what it is not asked to drop, in order", () => {
  fc.assert(
    fc.property(fields, (entries) => {
      const list = listOf(entries);
      list.removeIf((key, value) => key === "a" || value === "1");
      assert.deepEqual(
        [...list],
        entries.filter(([key, value]) => key !== "a" && value !== "1"),
      );
    }),
  );
});

test("a copy is not the list", () => {
  const list = HeaderList.of({ a: "1" });
  list.copy().add("b", "2");
  assert.equal(list.count, 1);
});

test("names are tokens in lower case, one object each", () => {
  assert.equal(internName("Content-Type"), "content-type");
  assert.equal(internName("X_y!"), "x_y!");
  for (const bad of ["", "a b", "a:", "ä", "a\r"]) assert.equal(internName(bad), undefined);
});
