import assert from "node:assert/strict";
import { test } from "node:test";
import { compilePayload, containsPayloads } from "./payload.ts";

const has = (bytes: string, ...blocks: readonly string[]): boolean =>
  containsPayloads(
    blocks.map((block) => Buffer.from(block)),
    Buffer.from(bytes),
  );

test("blocks are found in their order and never twice", () => {
  assert.ok(has("anything"));
  assert.ok(has("-one-two-", "one", "two"));
  assert.ok(has("onetwo", "one", "two"));
  assert.ok(!has("-two-one-", "one", "two"));
  assert.ok(!has("one", "one", "one"));
  assert.ok(!has("on", "one"));
});

test("hexadecimal text or bytes", () => {
  assert.deepEqual(compilePayload({ text: "00fF" }), Buffer.from([0, 255]));
  assert.deepEqual(compilePayload({ binary: "AP8=" }), Buffer.from([0, 255]));
  assert.throws(() => compilePayload({ text: "0" }), /invalid hex string '0'/);
  assert.throws(() => compilePayload({ text: "zz" }), /invalid hex string 'zz'/);
  assert.throws(() => compilePayload({}), /is required/);
});
