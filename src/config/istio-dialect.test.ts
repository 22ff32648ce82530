import assert from "node:assert/strict";
import { test } from "node:test";
import { hint } from "./nearest.ts";
import { readGoDuration } from "./scalars.ts";
import { readSources } from "./source-text.ts";

test("Go's durations become ProtoJSON's", () => {
  const cases = {
    "0": "0s",
    "0s": "0s",
    "1h": "3600s",
    "1h30m": "5400s",
    "1.5s": "1.500s",
    "100ms": "0.100s",
    "1500us": "0.001500s",
    "1µs": "0.000001s",
    "10ns": "0.000000010s",
    "1m0.5s": "60.500s",
    "0.5h": "1800s",
  };
  for (const [text, seconds] of Object.entries(cases)) {
    assert.deepEqual(readGoDuration(text), { value: seconds }, text);
  }
  for (const bad of ["", "1", "s", "1d", "1 s", "1h 2m", "-1s", "1e3s", ".5s", "99999999999999h"]) {
    assert.ok("problem" in readGoDuration(bad), bad);
  }
  assert.ok("problem" in readGoDuration(5));
  assert.match(JSON.stringify(readGoDuration("1d")), /days are written in hours/);
});

test("a text of many documents: each has its own errors and the file's lines", () => {
  const sources = readSources("a.yaml", "a: 1\n---\nb: [1\n---\n# nothing\n---\nc: {d: 5}\n");
  assert.deepEqual(
    sources.map(({ value, unreadable }) => [value, unreadable.length > 0]),
    [
      [{ a: 1 }, false],
      [undefined, true],
      [undefined, false],
      [{ c: { d: 5 } }, false],
    ],
  );
  assert.deepEqual(sources[3]?.positionOf(["c", "d"], "value"), { line: 7, column: 8 });
  assert.deepEqual(sources[3]?.positionOf(["c", "d"], "key"), { line: 7, column: 5 });
});

test("keys are texts, whatever they look like; so are the words of YAML 1.1", () => {
  const [source] = readSources("a.yaml", "on: 1\n80: 2\nn: no\ntrue: true\n");
  assert.deepEqual(source?.value, { on: 1, 80: 2, n: "no", true: true });
});

test("anchors, merge keys, Windows' lines and a byte order mark are read", () => {
  const merged = "a: &a {b: 1}\nc:\n  <<: *a\n  d: 2\ne: *a\n";
  const value = { a: { b: 1 }, c: { b: 1, d: 2 }, e: { b: 1 } };
  for (const text of [merged, merged.replaceAll("\n", "\r\n"), `\ufeff${merged}`]) {
    const [source] = readSources("a.yaml", text);
    assert.deepEqual([source?.value, source?.unreadable], [value, []]);
    assert.deepEqual(source?.positionOf(["c", "d"], "value"), { line: 4, column: 6 });
    assert.deepEqual(source?.positionOf(["c", "b"], "value"), { line: 3, column: 3 });
  }
});

test("what no parser can take is an error, not a crash", () => {
  const bomb = `a: &a [x, x]\n${["b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
    .map((name, index) => {
      const before = String.fromCharCode(97 + index);
      return `${name}: &${name} [*${before}, *${before}, *${before}, *${before}]`;
    })
    .join("\n")}`;
  for (const text of ["[".repeat(100_000), bomb, "a: *nowhere", "%YAML 9.9\n---\n? [a]: b"]) {
    const sources = readSources("a", text);
    assert.ok(
      sources.some(({ unreadable }) => unreadable.length > 0),
      text.slice(0, 20),
    );
  }
});

test("two letters that changed places are one mistake", () => {
  assert.equal(hint("hots", ["host", "port"]), '; did you mean "host"?');
  assert.equal(hint("tls", ["host"]), "");
});
