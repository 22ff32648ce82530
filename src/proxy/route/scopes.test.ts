import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RequestHead } from "#http/message.ts";
import type { RouteTable } from "./route.ts";
import { compileScopeKey, type Scope, ScopedTable, scopeKeyOf } from "./scopes.ts";

function request(headers: Readonly<Record<string, string>>): RequestHead {
  const head = new RequestHead("GET", "/", "a.test", 11);
  for (const [name, value] of Object.entries(headers)) head.headers.add(name, value);
  return head;
}

const of = (name: string, index = 0, elementSeparator = "") => ({
  headerValueExtractor: { name, index, elementSeparator },
});
const keyed = (...values: readonly string[]): string =>
  scopeKeyOf({ key: { fragments: values.map((stringKey) => ({ stringKey })) } });

describe("a request's scope key", () => {
  test("is that of the scope with the same values", () => {
    const one = compileScopeKey({ fragments: [of("X-A")] });
    assert.equal(one(request({ "x-a": "v" })), keyed("v"));
    const two = compileScopeKey({ fragments: [of("x-a"), of("x-b", 1, ",")] });
    assert.equal(two(request({ "x-a": "v", "x-b": "0,w" })), keyed("v", "w"));
    assert.notEqual(two(request({ "x-a": "vw", "x-b": "0," })), keyed("v", "w"));
  });

  test("is that of pseudo headers too", () => {
    const key = compileScopeKey({ fragments: [of(":authority")] });
    assert.equal(key(request({})), keyed("a.test"));
  });

  test("is none when a part is missing", () => {
    const key = compileScopeKey({ fragments: [of("x-a"), of("x-b", 2, ",")] });
    assert.equal(key(request({ "x-a": "v" })), undefined);
    assert.equal(key(request({ "x-a": "v", "x-b": "0,1" })), undefined);
  });

  test("cannot be made of an index into one value, or of nothing", () => {
    assert.throws(() => compileScopeKey({ fragments: [of("x-a", 1)] }), /Index > 0/);
    const nothing = { fragments: [{ headerValueExtractor: { name: "x-a" } }] };
    assert.throws(() => compileScopeKey(nothing), /extract_type not set/);
  });
});

test("a scope that goes does not take its successor's key with it", () => {
  const table = new ScopedTable(compileScopeKey({ fragments: [of("x-a")] }));
  const named = (name: string): Scope => {
    const current: RouteTable = { name, internalOnlyHeaders: [], match: () => undefined };
    return { key: keyed("v"), routes: { current } };
  };
  const [first, second] = [named("first"), named("second")];
  table.add(first);
  table.add(second);
  table.remove(first);
  assert.equal(table.scoped(request({ "x-a": "v" }))?.name, "second");
  table.remove(second);
  assert.equal(table.scoped(request({ "x-a": "v" })), undefined);
});
