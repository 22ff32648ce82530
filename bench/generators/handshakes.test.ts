import assert from "node:assert/strict";
import { test } from "node:test";
import { checkResumption } from "./handshakes.ts";

test("nearly all handshakes are resumed where it was asked for, and none where it was not", () => {
  checkResumption("resumed 984\n", { resume: true, handshakes: 1000 });
  checkResumption("resumed 0\n", { resume: false, handshakes: 1000 });
  assert.throws(() => checkResumption("resumed 0\n", { resume: true, handshakes: 1000 }), /0 of/);
  assert.throws(() => checkResumption("resumed 7\n", { resume: false, handshakes: 9 }), /7 of 9/);
  assert.throws(() => checkResumption("", { resume: false, handshakes: 9 }), /does not tell/);
});
