import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldValue, normalise, readMessage } from "./http-text.ts";

const head = (...lines: readonly string[]) => `${lines.join("\r\n")}\r\n\r\n`;

test("a message is read only when it is whole, at every cut", () => {
  const whole = [
    head("POST / HTTP/1.1", "content-length: 3").concat("abc"),
    head("POST / HTTP/1.1", "transfer-encoding: chunked").concat("3;x\r\nabc\r\n0\r\nx: y\r\n\r\n"),
    head("GET / HTTP/1.1", "host: h"),
  ];
  for (const bytes of whole) {
    for (let cut = 0; cut < bytes.length; cut += 1) {
      assert.equal(readMessage(bytes.slice(0, cut), { kind: "request" }), undefined);
    }
    assert.equal(readMessage(`${bytes}next`, { kind: "request" })?.raw, bytes);
  }
});

test("chunks and trailers are taken out of their framing", () => {
  const bytes = head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked").concat(
    "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n",
  );
  const message = readMessage(bytes, { kind: "response" });
  assert.equal(message?.body, "abc0123456789");
  assert.deepEqual(message?.trailers, [["X-Sum", "1"]]);
});

test("a response without a length ends with the connection", () => {
  const bytes = head("HTTP/1.1 200 OK").concat("all");
  assert.equal(readMessage(bytes, { kind: "response" }), undefined);
  const message = readMessage(bytes, { kind: "response", ended: true });
  assert.equal(message?.body, "all");
  assert.equal(message?.framing, "close");
});

test("status and method decide that there is no body", () => {
  for (const line of ["HTTP/1.1 204 x", "HTTP/1.1 304 x", "HTTP/1.1 101 x"]) {
    const bytes = head(line, "content-length: 5");
    assert.equal(readMessage(bytes, { kind: "response" })?.raw, bytes);
  }
  const answerToHead = head("HTTP/1.1 200 OK", "content-length: 5");
  const message = readMessage(answerToHead, { kind: "response", bodiless: true });
  assert.equal(message?.framing, "none");
});

test("fieldValue joins values and tells absent from empty", () => {
  const fields = [
    ["X-A", "1"],
    ["x-a", "2"],
    ["x-b", ""],
  ] as const;
  assert.equal(fieldValue(fields, "x-a"), "1, 2");
  assert.equal(fieldValue(fields, "x-b"), "");
  assert.equal(fieldValue(fields, "x-c"), undefined);
});

test("normalise leaves what is not known to vary", () => {
  const uuid = "12345678-1234-4234-8234-123456789abc";
  const raw = `x-request-id: ${uuid}\r\nx-other: ${uuid}\r\n`;
  assert.equal(normalise(raw), `x-request-id: <uuid>\r\nx-other: ${uuid}\r\n`);
});
