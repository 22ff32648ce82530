import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ResourceError } from "#xds/resource.ts";
import { emptySet, type ResourceSet } from "#xds/resource-set.ts";
import { clusterType as type } from "#xds/resource-type.ts";
import { SetCache } from "./set-cache.ts";

const cluster = (name: string, altStatName = ""): object => ({ name, altStatName });
const shared = Array.from({ length: 20 }, (_, index) => cluster(`shared-${index}`));

function made() {
  const refused: ResourceError[] = [];
  const cache = new SetCache((error) => refused.push(error));
  const of = (owner: object, objects: readonly object[], last: ResourceSet = emptySet) =>
    cache.of({ type, objects, owner, last });
  return { of, refused };
}

describe("sets of many proxies", () => {
  it("equal lists, and equal contents, are one set", () => {
    const { of } = made();
    const owner = {};
    const set = of(owner, shared);
    assert.equal(of(owner, [...shared]), set);
    assert.equal(of({}, [...shared]), set);
    const copies = shared.map((one) => ({ ...one }));
    assert.equal(of({}, copies), set);
  });

  it("what lists have in common is one set, and what changes in it one difference", () => {
    const { of } = made();
    const own = ["a", "b", "c"].map((name) => cluster("inbound", name));
    const setsOf = (owner: object, common: readonly object[]) =>
      own.map((one) => of(owner, [...common, one]));
    const [, b, c] = setsOf({}, shared);
    assert.ok(b?.base !== undefined && b.base === c?.base);
    assert.equal(b.base.size, shared.length);
    assert.equal(b.size, shared.length + 1);
    const later = [cluster("shared-0", "changed"), ...shared.slice(1)];
    const [, nextB, nextC] = setsOf({}, later);
    assert.ok(nextB !== undefined && nextC !== undefined);
    const difference = b.difference(nextB);
    assert.deepEqual(
      difference.changed.map(({ name }) => name),
      ["shared-0"],
    );
    assert.equal(c.difference(nextC), difference);
    assert.deepEqual(setsOf({}, shared).slice(1), [b, c]);
  });

  it("lists that have little in common share nothing", () => {
    const { of } = made();
    const owner = {};
    of(owner, shared.slice(0, 5));
    const set = of(owner, shared.slice(4));
    assert.equal(set.base, undefined);
    assert.equal(set.size, 16);
  });

  it("a list in another order is a set all the same", () => {
    const { of } = made();
    const owner = {};
    of(owner, shared);
    const set = of(owner, [...shared].reverse());
    assert.equal(set.size, shared.length);
    assert.equal(set.difference(of({}, shared)).isNothing, true);
  });
});

it("of what is invalid the last good version stays, and it is said", () => {
  const { of, refused } = made();
  const last = of({}, [cluster("a"), cluster("b")]);
  const set = of({}, [cluster("a", "2"), { name: "b", connectTimeout: "soon" }, { name: 7 }], last);
  assert.equal(set.get("b"), last.get("b"));
  assert.equal(set.size, 2);
  assert.deepEqual(
    refused.map(({ resource }) => resource),
    ["b", ""],
  );
});
