import assert from "node:assert/strict";
import { test } from "node:test";
import { hostAndPort } from "./host-and-port.ts";

test("a URL is its host and port, as written", () => {
  assert.equal(hostAndPort("https://A.example:080/path?q"), "A.example:080");
  assert.equal(hostAndPort("http://user:word@[::1]:1?q"), "[::1]:1");
});

test("what is no URL stays", () => {
  for (const text of ["a.example", "null", "http://", "http://a:65536", "http://a@b@c", ""])
    assert.equal(hostAndPort(text), text);
});

test("a long text costs no more than its length", () => {
  for (const part of ["a", "a.", "@", ":", "[", "1", "%"]) {
    const text = `http://${part.repeat(500_000)} `;
    assert.equal(hostAndPort(text), text);
  }
});
