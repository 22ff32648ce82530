import assert from "node:assert/strict";
import { test } from "node:test";
import { cidrRange, maskedCidr } from "./cidr.ts";

test("an address is a range of one", () => {
  assert.deepEqual(cidrRange("10.0.0.1"), { addressPrefix: "10.0.0.1", prefixLen: 32 });
  assert.deepEqual(cidrRange("fd00::/8"), { addressPrefix: "fd00::", prefixLen: 8 });
});

test("what is no range is none", () => {
  for (const text of ["", "10.0.0.0/33", "10.0.0.0/8/8", "10.0.0.0/-1", "host", "fd00::/129"])
    assert.equal(cidrRange(text), undefined, text);
});

test("two spellings of a range are the same", () => {
  assert.equal(maskedCidr("10.1.2.3/8"), maskedCidr("10.9.9.9/8"));
  assert.notEqual(maskedCidr("10.1.2.3/8"), maskedCidr("10.1.2.3/9"));
  assert.equal(maskedCidr("fd00:0:0::1/128"), maskedCidr("fd00::1"));
  assert.equal(maskedCidr("::ffff:1.2.3.4"), maskedCidr("::ffff:102:304/128"));
  assert.notEqual(maskedCidr("::/8"), maskedCidr("0.1.0.0/8"));
  assert.equal(maskedCidr("0.0.0.0/0"), undefined);
});
