import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeCookieMessage, encodeCookieMessage } from "./cookie-message.ts";

const decode = (...bytes: number[]): unknown => decodeCookieMessage(Uint8Array.from(bytes));

test("what is written is read again", () => {
  for (const expires of [0, 1, 127, 128, 2 ** 40]) {
    for (const address of ["10.0.0.1:80", "[2001:db8::1]:443", "x".repeat(200)]) {
      const message = { address, expires };
      const bytes = Buffer.from(encodeCookieMessage(message), "base64");
      assert.deepEqual(decodeCookieMessage(bytes), message);
    }
  }
});

test("fields of other versions are passed over", () => {
  const others = [0x1a, 1, 65, 0x20, 5, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 0x35, 1, 2, 3, 4];
  assert.deepEqual(decode(...others, 0x0a, 1, 66), { address: "B", expires: 0 });
});

test("what is cut short or has an unknown type is no message", () => {
  for (const bytes of [[0x0a], [0x0a, 2, 65], [0x10], [0x10, 0x80], [0x29, 1], [0x0b], [0x00, 1]])
    assert.equal(decode(...bytes), undefined);
  assert.equal(decode(0x10, ...Array.from({ length: 11 }, () => 0xff)), undefined);
});
