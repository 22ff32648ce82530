import assert from "node:assert/strict";
import { test } from "node:test";
import { callErrors } from "#proxy/simulated-call.ts";
import { readCall } from "./call-file.ts";
import { explained } from "./explained.ts";
import { explainedText } from "./explained-text.ts";

const read = readCall({ port: 443, hostHeader: "a.test", tls: "tls" }, "call");
assert.ok("call" in read);
const { call } = read;

test("every error says what it means", () => {
  for (const error of callErrors) {
    const text = explainedText(call, explained({ error }));
    assert.match(text, new RegExp(`^GET a.test/ \\(tls\\)\n  ✗ ${error}: .{20,}\n$`));
  }
});

test("the proxy's own answer is told as such", () => {
  const answer = { status: 301, location: "https://a.test/" };
  assert.match(
    explainedText(call, explained({ answer })),
    /→ 301 to https:\/\/a.test\/, by the proxy/,
  );
});
