import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NamePool } from "./name-set.ts";
import { ResourceError, ResourcePool } from "./resource.ts";
import { emptySet, ResourceSet } from "./resource-set.ts";
import { clusterType, endpointType } from "./resource-type.ts";

const names = new NamePool();
const pool = new ResourcePool();

function clusters(contents: Readonly<Record<string, string>>): ResourceSet {
  const objects = Object.entries(contents).map(([name, altStatName]) => ({ name, altStatName }));
  return new ResourceSet(objects.map((object) => pool.of(clusterType, object)));
}

describe("resources", () => {
  it("an object is encoded once, and so is equal content", () => {
    const own = new ResourcePool();
    const object = { name: "a", connectTimeout: "1s" };
    const first = own.of(clusterType, object);
    assert.equal(own.of(clusterType, object), first);
    assert.equal(own.of(clusterType, { ...object }), first);
    assert.equal(own.encoded, 1);
    assert.notEqual(
      own.of(clusterType, { ...object, connectTimeout: "2s" }).version,
      first.version,
    );
  });

  it("what is not of its type is refused with its name", () => {
    assert.throws(
      () => pool.of(clusterType, { name: "a", connectTimeout: "soon" }),
      (error) =>
        error instanceof ResourceError &&
        error.resource === "a" &&
        /cds resource "a": .*Duration/.test(error.message),
    );
    assert.throws(() => pool.of(endpointType, { endpoints: [] }), /without clusterName/);
  });
});

describe("sets", () => {
  it("the difference says what to set and what to remove, and is computed once", () => {
    const from = clusters({ a: "1", b: "1", c: "1" });
    const to = clusters({ a: "1", b: "2", d: "1" });
    const { changed, removed } = from.difference(to);
    assert.deepEqual([changed.map(({ name }) => name), removed], [["b", "d"], ["c"]]);
    assert.equal(from.difference(to), from.difference(to));
    assert.equal(from.difference(clusters({ a: "1", b: "1", c: "1" })).isNothing, true);
  });

  it("the same part is one set, and all of a set is itself", () => {
    const set = clusters({ a: "1", b: "1" });
    const part = set.pick(names.of(new Set(["a", "x"])));
    assert.deepEqual([...part.names()], ["a"]);
    assert.equal(set.pick(names.of(new Set(["x", "a"]))), part);
    assert.equal(set.pick(names.of(new Set(["b", "a", "x"]))), set);
    assert.equal(set.pick(names.of(new Set(["x"]))), emptySet);
    assert.deepEqual([...set.without(names.of(new Set(["a"]))).names()], ["b"]);
  });

  it("a union prefers its own", () => {
    const union = clusters({ a: "1" }).union(clusters({ a: "2", b: "2" }));
    assert.equal(union.get("a")?.version, clusters({ a: "1" }).get("a")?.version);
    assert.deepEqual([...union.names()], ["a", "b"]);
  });

  it("the version is the content's, whatever the order", () => {
    assert.equal(clusters({ a: "1", b: "1" }).version, clusters({ b: "1", a: "1" }).version);
    assert.notEqual(clusters({ a: "1" }).version, clusters({ a: "2" }).version);
    assert.match(clusters({ a: "1" }).version, /^[0-9a-f]{16}$/);
  });
});

describe("sets that share a base", () => {
  const base = clusters({ a: "1", b: "1" });
  const withOwn = (content: string, on = base): ResourceSet =>
    new ResourceSet(clusters({ own: content }).values(), on);

  it("are as sets without one", () => {
    const set = withOwn("1");
    const plain = clusters({ a: "1", b: "1", own: "1" });
    assert.equal(set.size, 3);
    assert.equal(set.version, plain.version);
    assert.deepEqual([...set.names()].sort(), [...plain.names()].sort());
    assert.equal(set.difference(plain).isNothing, true);
    assert.equal(plain.difference(set).isNothing, true);
    assert.equal(set.get("a"), plain.get("a"));
  });

  it("differ from each other as their bases do: in one object", () => {
    const later = clusters({ a: "2", b: "1" });
    const [first, second] = ["1", "2"].map((own) => withOwn(own).difference(withOwn(own, later)));
    assert.equal(first, second);
    assert.equal(first, base.difference(later));
  });

  it("and in what is their own", () => {
    const later = clusters({ a: "2", c: "1" });
    const { changed, removed } = withOwn("1").difference(withOwn("2", later));
    assert.deepEqual(changed.map(({ name }) => name).sort(), ["a", "c", "own"]);
    assert.deepEqual(removed, ["b"]);
  });

  it("also when a name has moved between the base and the rest", () => {
    const moved = new ResourceSet(clusters({ b: "1" }).values(), clusters({ a: "1", own: "1" }));
    assert.equal(withOwn("1").difference(moved).isNothing, true);
    const other = new ResourceSet(clusters({ b: "2" }).values(), clusters({ a: "1" }));
    const { changed, removed } = withOwn("1").difference(other);
    assert.deepEqual([changed.map(({ name }) => name), removed], [["b"], ["own"]]);
  });

  it("a base that has one of the names is none", () => {
    const set = new ResourceSet(clusters({ a: "2" }).values(), base);
    assert.equal(set.base, undefined);
    assert.equal(set.size, 2);
    assert.equal(set.get("a")?.version, clusters({ a: "2" }).get("a")?.version);
  });
});

describe("names", () => {
  it("equal sets are one object, changed ones another", () => {
    const set = names.of(new Set(["a", "b"]));
    assert.equal(names.of(new Set(["b", "a"])), set);
    assert.equal(names.with(set, ["a"]), set);
    assert.equal(names.without(names.with(set, ["c"]), ["c"]), set);
    assert.equal(names.without(set, ["a", "b"]), names.empty);
  });
});
