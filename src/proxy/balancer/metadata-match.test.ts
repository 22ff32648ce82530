import assert from "node:assert/strict";
import { test } from "node:test";
import type { MetadataJson } from "#gen/envoy/config/core/v3/base_pb.js";
import { compileMetadataMatch, MetadataMatch, textsOfHost } from "./metadata-match.ts";

const texts = (
  labels: Parameters<typeof textsOfHost>[0],
  names: readonly string[],
  listAsAny = true,
  max = 100,
): readonly string[] => textsOfHost(labels, { names, listAsAny, max });

test("criteria are in the order of their names", () => {
  const match = MetadataMatch.of({ b: 1, a: "x" });
  assert.equal(match.names, '"a","b"');
  assert.equal(match.text, '"a":"x","b":1');
  assert.equal(MetadataMatch.of({ a: "x", b: 1 }).text, match.text);
});

test("names and values that look like separators stay apart", () => {
  assert.notEqual(MetadataMatch.of({ 'a":1,"b': 2 }).text, MetadataMatch.of({ a: 1, b: 2 }).text);
  assert.notEqual(MetadataMatch.of({ a: "1" }).text, MetadataMatch.of({ a: 1 }).text);
  const odd = Object.fromEntries([["__proto__", "x"]]);
  assert.equal(MetadataMatch.of(odd).text, '"__proto__":"x"');
  assert.equal(MetadataMatch.of({}).merged(odd).text, '"__proto__":"x"');
});

test("a later level wins name by name; without envoy.lb there is none", () => {
  const level = (labels: Record<string, string>): MetadataJson => ({
    filterMetadata: { "envoy.lb": labels },
  });
  assert.equal(compileMetadataMatch(undefined, { filterMetadata: { other: {} } }), undefined);
  const match = compileMetadataMatch(level({ a: "1", b: "1" }), undefined, level({ b: "2" }));
  assert.equal(match?.text, '"a":"1","b":"2"');
});

test("only some names: the same answer for the same set", () => {
  const match = MetadataMatch.of({ a: 1, b: 2, c: 3 });
  const names = new Set(["c", "a", "z"]);
  assert.equal(match.only(names).text, '"a":1,"c":3');
  assert.equal(match.only(names), match.only(names));
  assert.equal(match.only(new Set(["b"])).text, '"b":2');
  assert.equal(match.hasAll(names), false);
  assert.equal(match.hasAll(new Set(["b", "c"])), true);
});

test("alternatives: each entry over the rest, or the rest alone", () => {
  const of = (list: Parameters<typeof MetadataMatch.of>[0][string]): readonly string[] =>
    (MetadataMatch.of({ a: 1, fallback_list: list }).alternatives ?? []).map(({ text }) => text);
  assert.deepEqual(of([{ a: 2 }, { b: 1 }, "odd"]), ['"a":2', '"a":1,"b":1', '"a":1']);
  assert.deepEqual(of([]), ['"a":1']);
  assert.deepEqual(of("odd"), ['"a":1']);
  assert.equal(MetadataMatch.of({ a: 1 }).alternatives, undefined);
});

test("labels meet criteria", () => {
  const match = MetadataMatch.of({ a: "1" });
  assert.equal(match.meets({ a: "1", b: 2 }, false), true);
  assert.equal(match.meets({ a: ["0", "1"] }, false), false);
  assert.equal(match.meets({ a: ["0", "1"] }, true), true);
  assert.equal(match.meets({ a: [] }, true), false);
  assert.equal(match.meets(undefined, false), false);
  assert.equal(MetadataMatch.of({}).meets(undefined, false), true);
});

test("a host is found by every combination of its lists, as far as the limit", () => {
  const labels = { a: ["1", "2"], b: ["x", "y"], c: true };
  assert.deepEqual(texts(labels, ["a", "b"]), [
    '"a":"1","b":"x"',
    '"a":"1","b":"y"',
    '"a":"2","b":"x"',
    '"a":"2","b":"y"',
  ]);
  assert.equal(texts(labels, ["a", "b"], true, 3).length, 3);
  assert.deepEqual(texts(labels, ["a", "c"], false), ['"a":["1","2"],"c":true']);
  assert.deepEqual(texts(labels, ["a", "d"]), []);
  assert.deepEqual(texts(undefined, ["a"]), []);
  assert.deepEqual(texts(labels, []), []);
  assert.deepEqual(texts({ a: null }, ["a"]), ['"a":null']);
});

test("a text found by is a text made: hosts and criteria agree", () => {
  const labels = { "k,": { y: [1, { b: 2, a: 1 }], x: null }, n: -0.5 };
  const [text] = texts(labels, ["k,", "n"], false);
  assert.equal(MetadataMatch.of({ n: -0.5, "k,": { x: null, y: [1, { a: 1, b: 2 }] } }).text, text);
});
