import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { at, binary, equals, Instant, not, Span, unary, type Value } from "./values.ts";

const run = (name: string, a: Value, b: Value): Value => binary[name]?.(a, b);
const of = (name: string, value: Value): Value => unary[name]?.(value);

test("numbers of different types are equal and in order by what they are", () => {
  assert.equal(run("_==_", 1n, 1), true);
  assert.equal(run("_!=_", 1n, 1.5), true);
  assert.equal(run("_<_", 1n, 1.5), true);
  assert.equal(run("_>=_", 2n ** 62n, 1), true);
});

test("other types are not equal and have no order", () => {
  assert.equal(run("_==_", 1n, "1"), false);
  assert.equal(run("_==_", null, false), false);
  assert.equal(run("_<_", 1n, "2"), undefined);
  assert.equal(run("_<_", new Instant(1), new Span(2)), undefined);
});

test("an error stays one", () => {
  assert.equal(equals(undefined, undefined), undefined);
  assert.equal(not(undefined), undefined);
  assert.equal(run("_!=_", undefined, 1n), undefined);
  assert.equal(run("@in", undefined, []), undefined);
});

test("whole numbers keep to 64 bits and do not divide by zero", () => {
  const most = 2n ** 63n - 1n;
  assert.equal(run("_+_", most, 1n), undefined);
  assert.equal(run("_*_", most, 2n), undefined);
  assert.equal(of("-_", -(2n ** 63n)), undefined);
  assert.equal(run("_/_", 7n, -2n), -3n);
  assert.equal(run("_%_", -7n, 2n), -1n);
  assert.equal(run("_/_", 7n, 0n), undefined);
  assert.equal(run("_%_", 7n, 0n), undefined);
  assert.equal(run("_+_", 1n, 1), undefined);
  assert.equal(run("_/_", 1, 0), Number.POSITIVE_INFINITY);
});

test("times and spans add up", () => {
  const day = of("duration", "24h");
  const first = of("timestamp", "2020-01-31T00:00:00Z");
  assert.deepEqual(run("_+_", first, day), of("timestamp", "2020-02-01T00:00:00Z"));
  assert.deepEqual(run("_-_", run("_+_", first, day), first), day);
  assert.equal(of("getMonth", run("_+_", first, day)), 1n);
  assert.equal(of("getDayOfMonth", first), 30n);
  assert.equal(run("_<_", of("duration", "-1m0.5s"), of("duration", "-1m")), true);
});

test("what is no time or number is an error", () => {
  assert.equal(of("timestamp", "2020-01-31"), undefined);
  assert.equal(of("timestamp", "2020-13-01T00:00:00Z"), undefined);
  assert.equal(of("duration", "1 s"), undefined);
  assert.equal(of("duration", ""), undefined);
  assert.equal(of("int", "1.5"), undefined);
  assert.equal(of("int", "9223372036854775808"), undefined);
  assert.equal(of("int", Number.NaN), undefined);
  assert.equal(of("double", "0x10"), undefined);
  assert.equal(of("getHours", "now"), undefined);
});

test("a text's size is its characters, not its bytes", () => {
  assert.equal(of("size", Buffer.from("h\u00e9\u{1f600}").toString("latin1")), 3n);
});

test("a map has only what it was given", () => {
  assert.equal(at({ a: 1n }, "a"), 1n);
  assert.equal(at({ a: 1n }, "constructor"), undefined);
  assert.equal(run("@in", "__proto__", {}), false);
  assert.equal(at([1n], 1n), undefined);
  assert.equal(at([1n], -1n), undefined);
});

test("a header's values are joined, its name has any case", () => {
  const fields = new HeaderList(["a", "1", "b", "2", "a", "3"]);
  const head = new RequestHead("GET", "/x", "host.test", 11, fields);
  assert.equal(at(head, "A"), "1,3");
  assert.equal(at(head, ":path"), "/x");
  assert.equal(at(head, "host"), "host.test");
  assert.equal(at(head, "c"), undefined);
  assert.equal(run("@in", "b", head), true);
});
