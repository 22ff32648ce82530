import assert from "node:assert/strict";
import { test } from "node:test";
import { objectFactories, plainText } from "./objects.ts";

const make = (factory: string, bytes: string): unknown => objectFactories.get(factory)?.(bytes);

test("each object has its plain text and its message", () => {
  const spelled = (value: unknown): unknown => [plainText(value), JSON.stringify(value)];
  assert.deepEqual(spelled(make("envoy.string", "\xc3\xbc")), ["\xc3\xbc", '"\u00fc"']);
  assert.deepEqual(spelled(make("envoy.hashable_string", "\xc3\xbc")), ["\xc3\xbc", '"\u00fc"']);
  assert.deepEqual(spelled(make("envoy.network.ip", "2001:DB8::1")), [
    "[2001:db8::1]:0",
    undefined,
  ]);
  assert.deepEqual(spelled(make("envoy.bool", "YES")), ["true", "true"]);
});

test("what an object cannot be made of makes none", () => {
  assert.equal(make("envoy.bool", "perhaps"), undefined);
  assert.equal(make("envoy.network.ip", "1.2.3.4:80"), undefined);
});

test("an object without text of its own has no plain text", () => {
  assert.equal(plainText({ a: 1 }), undefined);
  assert.equal(plainText(undefined), undefined);
});
