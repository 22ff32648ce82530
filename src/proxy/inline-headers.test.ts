import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { inlineRequestHeaders, joinRepeated } from "./inline-headers.ts";

function joined(...list: string[]): string[] {
  const headers = new HeaderList(list);
  joinRepeated(headers, inlineRequestHeaders);
  return headers.list;
}

test("repeated fields that are kept in one place are joined where the first was, empty values left out", () => {
  assert.deepEqual(
    joined("accept", "", "x-a", "1", "accept", "b", "x-a", "2", "accept", "", "accept", "c"),
    ["accept", "b,c", "x-a", "1", "x-a", "2"],
  );
});

test("a message without them is left as it is", () => {
  assert.deepEqual(joined("accept", "a", "cookie", "1", "cookie", "2"), [
    ...["accept", "a", "cookie", "1", "cookie", "2"],
  ]);
});

test("more fields than are compared by pairs", () => {
  const many = Array.from({ length: 60 }, (_, index) => [`x-${index}`, "1"]).flat();
  const last = joined(...many, "via", "a", "via", "b").slice(-2);
  assert.deepEqual(last, ["via", "a,b"]);
});
