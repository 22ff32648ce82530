import assert from "node:assert/strict";
import { test } from "node:test";
import { registry } from "#gen/registry.js";
import { supportedFields } from "./supported.ts";

test("the tables name messages and fields that exist", () => {
  const unknown: string[] = [];
  for (const [type, fields] of supportedFields) {
    const known = registry.getMessage(type)?.fields.map(({ name }) => name);
    if (known === undefined) unknown.push(type);
    for (const field of fields) {
      if (known !== undefined && !known.includes(field)) unknown.push(`${type}.${field}`);
    }
  }
  assert.deepEqual(unknown, []);
});
