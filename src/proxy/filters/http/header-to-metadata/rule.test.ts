import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { compileRule } from "./rule.ts";

const entry = { metadataNamespace: "n", key: "k" };

test("a rule is refused in Envoy's words", () => {
  assert.throws(
    () => compileRule({ header: "a", cookie: "b", onHeaderPresent: entry }),
    /Cannot specify both header and cookie in the same rule/,
  );
  assert.throws(
    () => compileRule({ onHeaderPresent: entry }),
    /One of Cookie or Header option needs to be specified/,
  );
  assert.throws(
    () => compileRule({ header: "a" }),
    /rule for header 'a' has neither `on_header_present` nor `on_header_missing` set/,
  );
  assert.throws(
    () => compileRule({ cookie: "a", remove: true, onHeaderPresent: entry }),
    /Cannot specify remove for cookie/,
  );
  assert.throws(
    () => compileRule({ header: "a", onHeaderMissing: entry }),
    /Cannot specify on_header_missing rule with an empty value/,
  );
});

test("a rule reads all values of a field, or one cookie that has a value", () => {
  const head = new RequestHead(
    "GET",
    "/p",
    "a.example",
    11,
    new HeaderList(["x-a", "1", "x-a", "2", "cookie", "c=3; e="]),
  );
  const read = (config: { header: string } | { cookie: string }): string | undefined =>
    compileRule({ ...config, onHeaderPresent: entry }).read(head);
  assert.equal(read({ header: "X-A" }), "1,2");
  assert.equal(read({ header: ":path" }), "/p");
  assert.equal(read({ header: "x-b" }), undefined);
  assert.equal(read({ cookie: "c" }), "3");
  assert.equal(read({ cookie: "e" }), undefined);
});
