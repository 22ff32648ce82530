import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { supportedFieldsPage } from "./list-supported.ts";

test("docs/reference/supported-fields.md is what the tables say", () => {
  const page = new URL("../docs/reference/supported-fields.md", import.meta.url);
  const isCurrent = readFileSync(page, "utf8") === supportedFieldsPage();
  assert.ok(isCurrent, "run: node tools/list-supported.ts");
});
