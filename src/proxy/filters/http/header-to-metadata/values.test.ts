import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { decodeBase64, numberOf, protobufValue, textOf } from "./values.ts";

test("base64 comes back, with or without padding", () => {
  for (const text of ["a", "ab", "abc", "\xff\0"]) {
    const spelled = Buffer.from(text, "latin1").toString("base64");
    assert.equal(decodeBase64(spelled), text);
    assert.equal(decodeBase64(spelled.replace(/=+$/, "")), text);
  }
});

test("what is almost base64 is none", () => {
  for (const text of ["", "=", "a", "aGVsbG9=", "aGVs bG8=", "-_==", "YQ==YQ==", "YQ==="])
    assert.equal(decodeBase64(text), undefined);
});

test("numbers are C's, and finite", () => {
  assert.equal(numberOf(" -1.5E3 "), -1500);
  assert.equal(numberOf("0x1.8p1"), 3);
  for (const text of ["", "0x", "1 2", "1e", ".", "0b1", "inf", "nan", "1e400", "0x1p9999"])
    assert.equal(numberOf(text), undefined);
});

test("a protobuf value, and octets that are none", () => {
  const value = create(ValueSchema, { kind: { case: "numberValue", value: 2 } });
  assert.equal(protobufValue(Buffer.from(toBinary(ValueSchema, value)).toString("latin1")), 2);
  assert.equal(protobufValue("\xff\xff"), undefined);
});

test("octets that are no UTF-8 stand for themselves", () => {
  assert.equal(textOf("\xc3\xbc"), "\u00fc");
  assert.equal(textOf("\xfc"), "\xfc");
});
