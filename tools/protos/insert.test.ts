import assert from "node:assert/strict";
import { test } from "node:test";
import { insertInto } from "./insert.ts";

const text = `syntax = "proto3";
package p;
import "have.proto";
// message Comment {
message Outer {
  option (o) = { a: "}" };
  message Inner { int32 a = 1; }
  oneof one { int32 b = 2; }
}
enum Kind { ZERO = 0; }
`;

test("declarations reach the message, nested message, oneof, enum and file they name", () => {
  const insert = {
    "p.Outer": ["int32 c = 3;"],
    "p.Outer.Inner": ["int32 d = 4;"],
    "p.Outer#one": ["int32 e = 5;", "int32 f = 6;"],
    "p.Kind": ["ONE = 1;"],
    "": ["message Next {}"],
  };
  const edited = insertInto(text, { imports: ["have.proto", "new.proto"], insert });
  assert.equal(
    edited.replaceAll(/\s+/g, " ").trim(),
    `syntax = "proto3"; package p; import "new.proto"; import "have.proto"; // message Comment { message Outer { option (o) = { a: "}" }; message Inner { int32 a = 1; int32 d = 4; } oneof one { int32 b = 2; int32 e = 5; int32 f = 6; } int32 c = 3; } enum Kind { ZERO = 0; ONE = 1; } message Next {}`,
  );
});

test("a place that is gone is an error: the list is of another version", () => {
  const insert = { "p.Gone": ["int32 a = 1;"] };
  assert.throws(() => insertInto(text, { imports: [], insert }), /no p\.Gone/);
});
