import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cuts, FakeAcceptedSocket, feed } from "../../../../../testkit/accepted-socket.ts";
import { seededRandom } from "../../../../../testkit/seeded-random.ts";
import { WorkerStats } from "../../../stats/worker-stats.ts";
import { HttpInspector } from "./http-inspector.ts";

/** The protocol found, `none`, `more` or `close`. */
function inspect(pieces: readonly Buffer[]): string {
  const socket = new FakeAcceptedSocket();
  const outcome = feed(
    new HttpInspector(new WorkerStats(() => undefined).scope("http_inspector.")),
    socket,
    pieces,
  );
  if (outcome === undefined) return "more";
  if (outcome.verdict === "close") return "close";
  return socket.applicationProtocols[0] ?? "none";
}

const cases: readonly (readonly [string, string])[] = [
  ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "http/1.1"],
  ["GET / HTTP/1.1\n", "http/1.1"],
  ["GET / HTTP/1.0\r\n", "http/1.0"],
  ["GET /\r\n", "http/1.0"],
  ["GET / HTTP/2.0\r\n", "http/1.0"],
  ["get / HTTP/1.1\r\n", "http/1.1"],
  ["BREW * HTTP/1.1\r\n", "http/1.1"],
  ["GET  /\t HTTP/1.1 \r\n", "http/1.1"],
  ["CONNECT a:1 HTTP/1.1\r\n", "http/1.1"],
  ["GET http://x/ HTTP/1.1\r\n", "http/1.1"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "h2c"],
  ["PRI * HTTP/2.0\r\n\r\nXX", "http/1.0"],
  ["PRI * HTTP/1.1\r\n", "http/1.1"],
  ["PRI * HTTP/2.0\r\n\r\n", "more"],
  ["GET / HTTP/1.1", "more"],
  ["hello", "more"],
  ["hello world\r\n", "none"],
  ["GET / HTTP/1.11\r\n", "none"],
  ["GET /a b HTTP/1.1\r\n", "none"],
  ["GET /\xe9 HTTP/1.1\r\n", "none"],
  ["GET /\x01 HTTP/1.1\r\n", "none"],
  ["\r\nGET / HTTP/1.1\r\n", "none"],
  [" GET / HTTP/1.1\r\n", "none"],
  ["\x16\x03\x01\x02\x00", "none"],
  [`GET /${"a".repeat(9000)} HTTP/1.1\r\n`, "http/1.1"],
];

describe("HTTP inspector", () => {
  for (const [text, expected] of cases)
    test(`${JSON.stringify(text.slice(0, 40))} is ${expected}`, () =>
      assert.equal(inspect([Buffer.from(text, "latin1")]), expected));

  test("the answer does not depend on how the bytes come", () => {
    for (const [text, expected] of cases) {
      if (text.length > 200) continue;
      for (const pieces of cuts(Buffer.from(text, "latin1")))
        assert.equal(inspect(pieces), expected, JSON.stringify(text));
    }
  });

  test("a line that does not end closes the connection at 64 KiB", () => {
    const line = Buffer.from(`GET /${"a".repeat(70_000)}`);
    assert.equal(inspect([line.subarray(0, 65_535)]), "more");
    assert.equal(inspect([line.subarray(0, 65_536)]), "close");
    assert.equal(inspect([Buffer.concat([line, Buffer.from(" HTTP/1.1\r\n")])]), "close");
  });

  test("what the TLS inspector found is not looked at", () => {
    const socket = new FakeAcceptedSocket();
    socket.transportProtocol = "tls";
    const filter = new HttpInspector(new WorkerStats(() => undefined).scope("http_inspector."));
    assert.equal(filter.onAccept(socket).verdict, "done");
  });

  test("mutations never throw, whole or cut", () => {
    const random = seededRandom(3);
    for (let round = 0; round < 5000; round++) {
      const [text = ""] = cases[random.below(cases.length)] ?? [];
      const bytes = Buffer.from(text.slice(0, 100), "latin1");
      for (let i = random.below(3); i >= 0; i--)
        bytes[random.below(bytes.length)] = random.below(256);
      const at = random.below(bytes.length);
      assert.equal(inspect([bytes.subarray(0, at), bytes.subarray(at)]), inspect([bytes]));
    }
  });
});
