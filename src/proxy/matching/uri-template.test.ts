import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "#lib/config-error.ts";
import { compileUriTemplate, compileUriTemplateRewrite } from "./uri-template.ts";

const paths = [
  "/",
  "/a",
  "/a/",
  "/ab",
  "/a*b",
  "/axb",
  "/axb/c",
  "/ax/y",
  "/a/b",
  "/a//b",
  "/a-b",
  "/a=b",
  "/b=c",
  "/q.m3u8",
  "/q/r.m3u8",
  "/q/a.m3u8/b",
  "/a%2fb",
  "/a;b",
  "/a.q/b",
  "/a/q.y/z",
  "/a\u00e9",
  "/a[b",
];

// What Envoy 1.40 answered for each of these templates and paths.
const matched: Readonly<Record<string, readonly string[]>> = {
  "/": ["/"],
  "/a/": ["/a/"],
  "/a=b": ["/a=b"],
  "/*": ["/a", "/ab", "/a*b", "/axb", "/a-b", "/a=b", "/b=c", "/q.m3u8", "/a%2fb", "/a;b"],
  "/*/b": ["/a/b", "/a.q/b"],
  "/**": paths.filter((path) => path !== "/a\u00e9" && path !== "/a[b"),
  "/**b": paths.filter((path) => path.endsWith("b") && path !== "/a[b"),
  "/{x}b": ["/ab", "/a*b", "/axb", "/a-b", "/a=b", "/a%2fb", "/a;b"],
  "/{x}x/y": ["/ax/y"],
  "/a{x}b": ["/a*b", "/axb", "/a-b", "/a=b", "/a%2fb", "/a;b"],
  "/a{x}b/c": ["/axb/c"],
  "/a.{x=*}/b": ["/a.q/b"],
  "/a/{x}.y/*": ["/a/q.y/z"],
  "/{x=a/**}": ["/a/", "/a/b", "/a//b", "/a/q.y/z"],
  "/{x=**}.m3u8": ["/q.m3u8", "/q/r.m3u8"],
  "/{x=**}/a.m3u8/b": ["/q/a.m3u8/b"],
  "/{x=b=c}": ["/b=c"],
};

for (const [template, expected] of Object.entries(matched)) {
  test(`${template} matches as in Envoy`, () => {
    const compiled = compileUriTemplate(template);
    assert.deepEqual(
      paths.filter((path) => compiled.matches(path)),
      expected,
    );
  });
}

test("a path is looked at up to its query", () => {
  const template = compileUriTemplate("/{a}/{b=**}.x");
  assert.ok(template.matches("/1/2.x?y/z", 6));
  assert.ok(!template.matches("/1/2.x?y/z"));
  assert.ok(!template.matches("/1/2?.x", 4));
  assert.deepEqual(
    [template.valueIn("/1/2.x?y/z", 0), template.valueIn("/1/2.x?y/z", 1)],
    ["1", "2"],
  );
});

test("a text is not taken for a shorter path's end", () => {
  assert.ok(!compileUriTemplate("/ab").matches("/abc", 2));
  assert.ok(!compileUriTemplate("/**/ab").matches("/ab"));
  assert.ok(!compileUriTemplate("/*.jpg").matches("/.jpg"));
});

const refusals: Readonly<Record<string, RegExp>> = {
  a: /Invalid pattern/,
  "": /Invalid pattern/,
  "/a b": /Invalid pattern/,
  "/\u00e9": /Invalid pattern/,
  "/a//b": /Invalid literal/,
  "/a?b": /Invalid literal/,
  "/a*": /Invalid literal/,
  "/***": /Invalid literal/,
  "/}": /Invalid literal/,
  "/{a}{b}": /Invalid literal/,
  "/{a}-{b}": /Invalid literal/,
  "/**/*": /Glob after text glob/,
  "/{a=x/**}/{b=*}": /Glob after text glob/,
  "/**/{x}": /Implicit variable path glob after text glob/,
  "/*x/y": /Prefix match not supported/,
  "/{x}/{x}": /Repeated variable name/,
  "/{1a}": /Invalid variable name/,
  "/{abcdefghijklmnopq}": /Invalid variable length/,
  "/{a}/{b}/{c}/{d}/{e}/{f}": /Exceeded variable count limit/,
  "/{a": /Unmatched variable bracket/,
  "/{a=}": /Empty variable match/,
  "/{a=*/}": /Invalid variable match/,
  "/{a=*b}": /Invalid variable match/,
};

for (const [template, reason] of Object.entries(refusals)) {
  test(`refuses ${JSON.stringify(template)}`, () => {
    assert.throws(
      () => compileUriTemplate(template),
      (error) => error instanceof ConfigError && reason.test(error.message),
    );
  });
}

test("a rewrite puts values where the variables stand", () => {
  const template = compileUriTemplate("/v1/{user}/{file=docs/**}");
  const rewrite = compileUriTemplateRewrite("/{file}/of-{user}/x", template);
  assert.equal(rewrite("/v1/ann/docs/a/b?q", 16), "/docs/a/b/of-ann/x");
  assert.equal(rewrite("/v1/ann/docs/"), "/docs//of-ann/x");
  assert.equal(rewrite("/v2/ann/docs/a"), undefined);
  assert.equal(compileUriTemplateRewrite("/plain", template)("/v1/a/docs/"), "/plain");
});

for (const [rewrite, reason] of [
  ["a", /Invalid rewrite variable placement/],
  ["{user}", /Invalid rewrite variable placement/],
  ["/a//b", /Invalid rewrite literal/],
  ["/a b", /Invalid rewrite literal pattern/],
  ["/{user", /Unmatched variable bracket/],
  ["/{1}", /Invalid variable name/],
  ["/{other}", /Nonexisting variable name/],
] as const) {
  test(`refuses the rewrite ${rewrite}`, () => {
    const template = compileUriTemplate("/{user}");
    assert.throws(
      () => compileUriTemplateRewrite(rewrite, template),
      (error) => error instanceof ConfigError && reason.test(error.message),
    );
  });
}

test("a path of a million characters is read once", () => {
  const template = compileUriTemplate("/{a}/{b}/{c}/{d}/{e=**}/x.y");
  const path = "/aaaa".repeat(200_000);
  assert.equal(template.matches(`${path}/x.z`), false);
  assert.equal(template.matches(`${path}/x.y`), true);
});
