import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "#lib/config-error.ts";
import { compileRegex } from "./regex.ts";

const bytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

const cases: readonly (readonly [
  pattern: string,
  matching: readonly string[],
  other: readonly string[],
])[] = [
  ["/a", ["/a"], ["/a/", "/ab", "", "x/a"]],
  ["/a\\.b", ["/a.b"], ["/a-b"]],
  ["/a.b", ["/a-b", "/a.b"], ["/a\nb", "/ab"]],
  ["/v[0-9]+/.*", ["/v1/", "/v22/x/y"], ["/v/", "/v1", "/v1/\n"]],
  [".*\\.(png|jpe?g)", ["a.png", "b.jpg", ".jpeg"], ["a.pngx", "png", "a.jpeeg"]],
  ["^/a$", ["/a"], ["/ab", "^/a$"]],
  ["^/a$|^/b$", ["/a", "/b"], ["/ab", "/a/b"]],
  ["/a|/b", ["/a", "/b"], ["/ab"]],
  ["(?i)/Ab[x-z]", ["/ab" + "X", "/AB" + "y"], ["/aba"]],
  ["(?i)[^a]", ["b", "B"], ["a", "A"]],
  ["[^/]+/[^/]+", ["a/b"], ["a", "a/b/c", "/b"]],
  ["(/[^/]+)*", ["", "/a", "/a/b"], ["a", "/a/"]],
  ["(a+)+b", ["ab", "aaab"], ["aaaa", "b"]],
  ["[\\w.-]+", ["a-b.c_d"], ["a b", ""]],
  ["[]a]+", ["]a]"], ["b"]],
  ["[a-]+", ["a-a"], ["b"]],
  ["\\s", [" ", "\t", "\f"], ["\v", "a"]],
  ["\\d{2,3}", ["12", "123"], ["1", "1234"]],
  ["x{2}", ["xx"], ["x", "xxx"]],
  ["x{2,}", ["xx", "xxxx"], ["x"]],
  ["a{,2}", ["a{,2}"], ["a", "aa"]],
  ["a{01}", ["a{01}"], ["a"]],
  ["a??b", ["ab", "b"], ["aab"]],
  ["(?:|a)b", ["b", "ab"], ["a"]],
  ["\\pL+", ["abc", "\xe9", "\xaa", "\xc3"], ["1", bytes("é")]],
  ["\\Qa.b\\E", ["a.b"], ["axb"]],
  ["(?P<n>a)b", ["ab"], ["b"]],
  // What follows about bytes is what Envoy 1.40 answers.
  ["caf.", ["cafe", "caf\xe9", "caf\xff"], ["caf", bytes("café")]],
  ["caf..", [bytes("café")], ["caf\xe9", "cafe"]],
  [".*", ["", "abc", bytes("über"), "\xff\xfe"], ["a\n"]],
  ["\\xe9", ["\xe9"], [bytes("é")]],
  ["(?i)é", [bytes("é")], [bytes("É"), "\xe3\xa9"]],
  ["(?i)café+", [bytes("café"), bytes("CAFé")], [bytes("CAFÉ")]],
  ["[^a]+", ["\xe9", bytes("日")], [""]],
  ["[é]", ["\xc3", "\xa9"], [bytes("é"), "\xe9"]],
  ["日+", [bytes("日"), `${bytes("日")}\xa5`], [bytes("日日")]],
  ["\\W+", [bytes("日"), "\xe9"], ["a"]],
  ["[[:word:]]+", ["a_1"], ["\xe9"]],
  ["(?s).*", ["a\nb"], []],
  ["\\x41", ["A"], ["x41"]],
  ["é", [bytes("é")], ["e", "\xe9"]],
  ["[[:alpha:]]+", ["abc"], ["1"]],
];

for (const [pattern, matching, other] of cases) {
  test(`${pattern} matches whole texts as RE2 does`, () => {
    const regex = compileRegex(pattern);
    for (const text of matching) assert.equal(regex.matches(text), true, JSON.stringify(text));
    for (const text of other) assert.equal(regex.matches(text), false, JSON.stringify(text));
  });
}

test("a hostile text takes no more steps than it is long", () => {
  const evil = "a".repeat(60_000);
  for (const pattern of ["(a+)+b", "(a|a)*b", "(.*a){20}b", ".*.*.*b", "[^/]+/.*x"])
    assert.equal(compileRegex(pattern).matches(evil), false);
});

test("a text longer than V8 could go back in is RE2's", () => {
  const long = "a".repeat(8_000_000);
  assert.equal(compileRegex("a{64,}b").matches(long), false);
  assert.equal(compileRegex("a{64,}").matches(long), true);
});

const errors: readonly (readonly [pattern: string, message: string])[] = [
  ["(?=a)", "invalid perl operator: (?="],
  ["a(?!b)", "invalid perl operator: (?!"],
  ["(?<=a)b", "invalid perl operator: (?<="],
  ["(?<!a)b", "invalid perl operator: (?<!"],
  ["(", "missing ): ("],
  ["a)", "unexpected ): a)"],
  ["[a", "missing ]: [a"],
  ["*", "no argument for repetition operator: *"],
  ["a**", "bad repetition operator: **"],
  ["a{1001}", "invalid repetition size: {1001}"],
  ["\\1", "invalid escape sequence: \\1"],
  ["[z-a]", "invalid character class range: z-a"],
];

for (const [pattern, message] of errors) {
  test(`${pattern} is refused in RE2's words`, () => {
    assert.throws(
      () => compileRegex(pattern),
      (error) => error instanceof ConfigError && error.problems[0]?.message === message,
    );
  });
}

const replacements: readonly (readonly [
  pattern: string,
  text: string,
  substitution: string,
  result: string,
])[] = [
  ["a", "banana", "o", "bonono"],
  ["^/(\\w+)/(\\w+)", "/a/b/c", "/\\2/\\1", "/b/a/c"],
  ["(a)|(b)", "ab", "[\\1\\2]", "[a][b]"],
  ["a", "a", "\\\\", "\\"],
  ["a", "xax", "\\0\\0", "xaax"],
  ["b*", "abbc", "-", "-a-c-"],
  ["x", "abc", "y", "abc"],
  ["", "ab", "-", "-a-b-"],
  ["$", "ab", "-", "ab-"],
  ["a", "a", "$1 $&", "$1 $&"],
  [".", bytes("é"), "x", "xx"],
  ["(.*)/(.*)", bytes("é/ü"), "\\2/\\1", bytes("ü/é")],
];

for (const [pattern, text, substitution, result] of replacements) {
  test(`every ${pattern || "(nothing)"} in ${text} becomes ${substitution}`, () => {
    assert.equal(compileRegex(pattern).replaceAll(text, substitution), result);
  });
}
