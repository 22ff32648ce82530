import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeaderMatcherJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { StringMatcherJson } from "#gen/envoy/type/matcher/v3/string_pb.js";
import type { ValueMatcherJson } from "#gen/envoy/type/matcher/v3/value_pb.js";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import type { Json } from "../stream-info.ts";
import { compileHeaderMatcher } from "./header-matcher.ts";
import { compileMetadataMatcher, compileValueMatcher } from "./metadata-matcher.ts";
import { compileQueryMatchers, queryParameter } from "./query-parameters.ts";
import { compileStringMatcher, compileStringMatchers } from "./string-matcher.ts";

const bytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

type Table<M> = readonly (readonly [
  matcher: M,
  matching: readonly string[],
  other: readonly string[],
])[];

const strings: Table<StringMatcherJson> = [
  [{ exact: "a" }, ["a"], ["A", "aa", ""]],
  [{ exact: "" }, [""], ["a"]],
  [{ exact: "Ab", ignoreCase: true }, ["ab", "AB"], ["abc"]],
  [{ prefix: "a" }, ["a", "ab"], ["ba", ""]],
  [{ prefix: "aB", ignoreCase: true }, ["AbC"], ["xab"]],
  [{ suffix: "b" }, ["b", "ab"], ["ba"]],
  [{ suffix: "B", ignoreCase: true }, ["ab"], ["ba"]],
  [{ contains: "b" }, ["abc", "b"], ["aBc"]],
  [{ contains: "B", ignoreCase: true }, ["abc"], ["ac"]],
  [{ safeRegex: { regex: "a+" } }, ["a", "aa"], ["ab", ""]],
  [{ exact: "é" }, [bytes("é")], ["\xe9", "e"]],
  // A byte is no letter: 0xc3 and 0xe3 are upper and lower case of one letter in Latin-1 only.
  [{ exact: "é", ignoreCase: true }, [bytes("é")], [bytes("é").toLowerCase()]],
  [{ prefix: "Éa", ignoreCase: true }, [bytes("ÉAb")], [bytes("éab")]],
];

for (const [matcher, matching, other] of strings) {
  test(`string ${JSON.stringify(matcher)}`, () => {
    const matches = compileStringMatcher(matcher);
    for (const text of matching) assert.equal(matches(text), true, text);
    for (const text of other) assert.equal(matches(text), false, text);
  });
}

test("a string matcher without a way to match, or with case on a regex, is refused", () => {
  assert.throws(() => compileStringMatcher({}), /match_pattern/);
  assert.throws(
    () => compileStringMatcher({ safeRegex: { regex: "a" }, ignoreCase: true }),
    /ignore_case has no effect for safe_regex/,
  );
});

test("a list of string matchers matches when one does", () => {
  const matches = compileStringMatchers({ patterns: [{ exact: "a" }, { exact: "b" }] });
  assert.deepEqual(["a", "b", "c"].map(matches), [true, true, false]);
});

/** Values of `x-a`, or fields by name; "-" is a request without the field. */
const headers: readonly (readonly [
  matcher: HeaderMatcherJson,
  matching: readonly (string | readonly string[])[],
  other: readonly (string | readonly string[])[],
])[] = [
  [{ exactMatch: "1" }, ["1", ["1", "2"], ["2", "1"]], ["2", "-", ["2", "3"]]],
  [{ exactMatch: "1", invertMatch: true }, ["2", ["2", "3"]], ["1", "-", ["1", "2"], ["2", "1"]]],
  [{ exactMatch: "1,2" }, ["1,2"], [["1", "2"]]],
  [{ prefixMatch: "a" }, ["ab"], ["ba", "-"]],
  [{ suffixMatch: "b" }, ["ab"], ["ba", "-"]],
  [{ containsMatch: "b" }, ["abc"], ["ac", "-"]],
  [{ safeRegexMatch: { regex: "a+" } }, ["aa"], ["ab", "-"]],
  [{ stringMatch: { exact: "A", ignoreCase: true } }, ["a"], ["b", "-"]],
  [{}, ["", "1"], ["-"]],
  [{ presentMatch: true }, ["", "1"], ["-"]],
  [{ presentMatch: false }, ["-"], ["", "1"]],
  [{ presentMatch: true, invertMatch: true }, ["-"], ["", "1"]],
  [{ presentMatch: false, invertMatch: true }, ["", "1"], ["-"]],
  [
    { rangeMatch: { start: "-5", end: "10" } },
    ["-5", "0", "9", "+3", "007"],
    ["10", "-6", "1.5", "a", "", "1a", "-"],
  ],
  [{ exactMatch: "", treatMissingHeaderAsEmpty: true }, ["", "-"], ["1"]],
  [{ exactMatch: "1", treatMissingHeaderAsEmpty: true, invertMatch: true }, ["-", "2"], ["1"]],
];

function request(fields: readonly (readonly [string, string])[]): RequestHead {
  return new RequestHead("GET", "/p?q=1", "host.test", 11, new HeaderList(fields.flat()));
}

for (const [matcher, matching, other] of headers) {
  test(`header ${JSON.stringify(matcher)}`, () => {
    const matches = compileHeaderMatcher({ name: "X-A", ...matcher });
    const ask = (value: string | readonly string[]): boolean => {
      const values = value === "-" ? [] : [value].flat();
      return matches(
        request([["x-b", "1"], ...values.map((text) => ["x-a", text] as const), ["x-c", "1"]]),
      );
    };
    for (const value of matching) assert.equal(ask(value), true, String(value));
    for (const value of other) assert.equal(ask(value), false, String(value));
  });
}

test("a field that Envoy keeps in one place is matched as one", () => {
  const head = request([
    ["accept", "a"],
    ["accept", "b"],
    ["x-envoy-retry-on", "a"],
    ["x-envoy-retry-on", "b"],
  ]);
  for (const name of ["accept", "x-envoy-retry-on"]) {
    assert.equal(compileHeaderMatcher({ name, exactMatch: "a,b" })(head), true, name);
    assert.equal(compileHeaderMatcher({ name, exactMatch: "a" })(head), false, name);
  }
});

test("pseudo headers and host are matched", () => {
  const head = request([]);
  const values = {
    ":method": "GET",
    ":path": "/p?q=1",
    ":authority": "host.test",
    ":scheme": "http",
  };
  for (const [name, exactMatch] of Object.entries({ ...values, host: "host.test" }))
    assert.equal(compileHeaderMatcher({ name, exactMatch })(head), true, name);
});

const queries: readonly (readonly [path: string, value: string | undefined])[] = [
  ["/", undefined],
  ["/?", undefined],
  ["/?q", ""],
  ["/?q=", ""],
  ["/?q=1", "1"],
  ["/?qq=2&q=1", "1"],
  ["/?q=1&q=2", "1"],
  ["/?a=q&b", undefined],
  ["/?q%3D=1", undefined],
  ["/?q=%20+a=b", "%20+a=b"],
  ["/?a&&q=1", "1"],
  ["/q=1", undefined],
];

for (const [path, value] of queries) {
  test(`q in ${path} is ${JSON.stringify(value)}`, () => {
    assert.equal(queryParameter(path, "q"), value);
  });
}

test("query parameters are matched by presence and by value", () => {
  const ask = (matcher: object, path: string): boolean =>
    compileQueryMatchers([{ name: "q", ...matcher }]).every((matches) => matches(path));
  assert.equal(ask({}, "/?q"), true);
  assert.equal(ask({}, "/?r"), false);
  assert.equal(ask({ presentMatch: true }, "/?q=1"), true);
  assert.equal(ask({ presentMatch: false }, "/?q=1"), false);
  assert.equal(ask({ presentMatch: false }, "/"), true);
  assert.equal(ask({ stringMatch: { exact: "1" } }, "/?q=1&q=2"), true);
  assert.equal(ask({ stringMatch: { exact: "2" } }, "/?q=1&q=2"), false);
  assert.equal(ask({ stringMatch: { exact: "" } }, "/"), false);
});

const values: readonly (readonly [
  matcher: ValueMatcherJson,
  matching: readonly (Json | undefined)[],
  other: readonly (Json | undefined)[],
])[] = [
  [{ nullMatch: {} }, [null], [undefined, 0, ""]],
  [{ boolMatch: false }, [false], [true, undefined, 0]],
  [{ presentMatch: true }, [0, null, ""], [undefined]],
  [{ presentMatch: false }, [], [undefined, 0]],
  [{ stringMatch: { prefix: "é" } }, ["éa"], ["e", 1, undefined]],
  [{ doubleMatch: { exact: 1.5 } }, [1.5], [1, "1.5", undefined]],
  [{ doubleMatch: { range: { start: 1, end: 2 } } }, [1, 1.9], [2, 0, "1"]],
  [{ listMatch: { oneOf: { stringMatch: { exact: "a" } } } }, [["b", "a"]], [["b"], "a", []]],
  [{ orMatch: { valueMatchers: [{ boolMatch: true }, { nullMatch: {} }] } }, [true, null], [false]],
];

for (const [matcher, matching, other] of values) {
  test(`value ${JSON.stringify(matcher)}`, () => {
    const matches = compileValueMatcher(matcher);
    for (const value of matching) assert.equal(matches(value), true, JSON.stringify(value));
    for (const value of other) assert.equal(matches(value), false, JSON.stringify(value));
  });
}

test("metadata is matched by namespace and path", () => {
  const config = {
    filter: "f",
    path: [{ key: "a" }, { key: "b" }],
    value: { stringMatch: { exact: "1" } },
  };
  const matches = compileMetadataMatcher(config);
  assert.equal(matches({ f: { a: { b: "1" } } }), true);
  assert.equal(matches({ f: { a: { b: "2" } } }), false);
  assert.equal(matches({ f: { a: ["b"] } }), false);
  assert.equal(matches({ g: { a: { b: "1" } } }), false);
  assert.equal(matches(undefined), false);
  assert.equal(compileMetadataMatcher({ ...config, invert: true })(undefined), true);
  const inherited = compileMetadataMatcher({
    filter: "f",
    path: [{ key: "toString" }],
    value: { presentMatch: true },
  });
  assert.equal(inherited({ f: {} }), false);
});
