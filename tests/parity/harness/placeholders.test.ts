import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, jsonPath } from "./placeholders.ts";

const names = {
  id: "c07",
  folder: "/tmp/c07",
  logPath: "/tmp/c07/access.log",
  upstreamPort: (name: string) => {
    if (name !== "main") throw new Error(`no upstream ${name}`);
    return 1234;
  },
};

test("placeholders are filled in keys and values, at every depth", () => {
  const filled = fill(
    { "{case}": ["{case}-a", { port: "{port:main}", log: "{log}", keep: 5, none: null }] },
    names,
  );
  assert.deepEqual(filled, {
    c07: ["c07-a", { port: 1234, log: "/tmp/c07/access.log", keep: 5, none: null }],
  });
});

test("a port stands alone in its string and must be an upstream's", () => {
  assert.equal(fill("127.0.0.1:{port:main}", names), "127.0.0.1:{port:main}");
  assert.throws(() => fill("{port:other}", names), /no upstream other/);
});

test("jsonPath gives undefined where the path ends early", () => {
  assert.equal(jsonPath({ a: [{ b: 1 }] }, "a", 0, "b"), 1);
  assert.equal(jsonPath({ a: null }, "a", "b"), undefined);
});
