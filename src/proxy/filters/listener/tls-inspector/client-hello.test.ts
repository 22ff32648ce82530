import assert from "node:assert/strict";
import { connect as connectTcp, createServer } from "node:net";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import {
  alpn,
  extension,
  hello,
  helloMessage,
  records,
  serverName,
  vector16,
} from "../../../../../testkit/client-hello.ts";
import { seededRandom } from "../../../../../testkit/seeded-random.ts";
import { type HelloOutcome, helloBytesMax, parseClientHello } from "./client-hello.ts";

/** `NAME [ALPN…]`, or the outcome's name. */
function told(outcome: HelloOutcome): string {
  if (typeof outcome === "string") return outcome;
  return [outcome.serverName, ...outcome.applicationProtocols].join(" ");
}

const message = helloMessage({ extensions: [serverName("a.test"), alpn("h2", "http/1.1")] });
const list = (...bytes: readonly number[]): Buffer => vector16(Buffer.from(bytes));
const cases: readonly (readonly [string, Buffer, string])[] = [
  ["name and protocols", records(message), "a.test h2 http/1.1"],
  ["upper case", hello(serverName("A.Test")), "a.test"],
  ["one byte a record", records(message, { fragment: 1 }), "a.test h2 http/1.1"],
  ["fifty bytes a record", records(message, { fragment: 50 }), "a.test h2 http/1.1"],
  [
    "an empty record first",
    Buffer.concat([Buffer.from([22, 3, 1, 0, 0]), records(message)]),
    "a.test h2 http/1.1",
  ],
  ["data behind it", Buffer.concat([records(message), Buffer.from("early")]), "a.test h2 http/1.1"],
  ["no extensions", hello(), ""],
  ["no extensions block", records(helloMessage()), ""],
  ["GREASE", hello(extension(0x0a0a, Buffer.alloc(0)), serverName("a.test")), "a.test"],
  ["a name of 255 bytes", hello(serverName("a".repeat(255))), "a".repeat(255)],
  ["a name of 256 bytes", hello(serverName("a".repeat(256))), "no"],
  ["an empty name", hello(serverName("")), "no"],
  ["a NUL in the name", hello(serverName("a\0b")), "no"],
  ["two names", hello(serverName("a.test", "b.test")), "no"],
  ["two name extensions", hello(serverName("a.test"), serverName("b.test")), "no"],
  ["two ALPN extensions", hello(alpn("h2"), alpn("h3")), "no"],
  ["a name of another type", hello(extension(0, list(1, 0, 1, 65))), "no"],
  [
    "bytes behind the name list",
    hello(extension(0, Buffer.concat([list(0, 0, 1, 65), Buffer.from([1])]))),
    "no",
  ],
  ["an empty name extension", hello(extension(0, Buffer.alloc(0))), "no"],
  ["an empty ALPN list", hello(serverName("a.test"), extension(16, list())), "a.test"],
  ["an empty protocol", hello(serverName("a.test"), alpn("")), "a.test"],
  ["a protocol cut short", hello(serverName("a.test"), extension(16, list(9, 1))), "a.test"],
  ["an extension cut short", hello(serverName("a.test"), Buffer.from([0, 99, 0, 9, 1])), "no"],
  [
    "bytes behind the extensions",
    records(helloMessage({ extensions: [], tail: Buffer.alloc(2) })),
    "no",
  ],
  ["a session id of 32 bytes", records(helloMessage({ sessionSize: 32 })), ""],
  ["a session id of 33 bytes", records(helloMessage({ sessionSize: 33 })), "no"],
  ["another handshake message", records(helloMessage({ type: 2 })), "no"],
  ["an alert", records(message, { type: 21 }), "no"],
  ["record version 2", records(message, { version: 0x0201 }), "no"],
  ["record version 3.99", records(message, { version: 0x0399 }), "a.test h2 http/1.1"],
  ["text", Buffer.from("GET / HTTP/1.1\r\n"), "no"],
  [
    "text behind half a hello",
    Buffer.concat([records(message.subarray(0, 40)), Buffer.from("GET / HTTP/1.1")]),
    "no",
  ],
  ["15,000 bytes", hello(extension(21, Buffer.alloc(15_000)), serverName("a.test")), "a.test"],
  ["more bytes than the limit", hello(extension(21, Buffer.alloc(helloBytesMax))), "too-large"],
  ["a length past the limit", records(Buffer.from([1, 1, 0, 0])), "too-large"],
];

describe("ClientHello", () => {
  for (const [name, bytes, expected] of cases)
    test(`with ${name}`, () => assert.equal(told(parseClientHello(bytes)), expected));

  test("cut anywhere it wants more, and never says something else", () => {
    for (const [name, bytes, expected] of cases) {
      for (let size = 0; size < bytes.length; size += bytes.length > 2000 ? 97 : 1) {
        const early = told(parseClientHello(bytes.subarray(0, size)));
        if (early !== "more") assert.equal(early, expected, `${name} at ${size}`);
      }
    }
  });

  test("what never ends is too large, however small its records are", () => {
    const endless = records(
      Buffer.concat([Buffer.from([1, 0, 0x3f, 0xf0]), Buffer.alloc(16_000)]),
      {
        fragment: 1,
      },
    );
    assert.equal(parseClientHello(endless.subarray(0, helloBytesMax - 1)), "more");
    assert.equal(parseClientHello(endless.subarray(0, helloBytesMax)), "too-large");
  });

  test("a smaller limit", () => {
    assert.equal(parseClientHello(records(message), 60), "too-large");
    assert.equal(told(parseClientHello(records(message), 1000)), "a.test h2 http/1.1");
  });

  test("mutations never throw, and an answer fits the bytes", () => {
    const random = seededRandom(11);
    for (let round = 0; round < 20_000; round++) {
      const [, seed = Buffer.alloc(1)] = cases[random.below(cases.length)] ?? [];
      const bytes = Buffer.from(seed.subarray(0, 400));
      for (let i = random.below(4); i >= 0; i--)
        bytes[random.below(bytes.length)] = random.below(256);
      const outcome = parseClientHello(bytes);
      if (typeof outcome === "string") continue;
      assert.ok(outcome.serverName.length <= 255 && !outcome.serverName.includes("\0"));
    }
  });

  test("OpenSSL's own hello is read", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const received = new Promise<Buffer>((resolve) => {
      server.once("connection", (peer) => peer.once("data", resolve));
    });
    const socket = connectTcp(address.port, "127.0.0.1");
    const client = connectTls({ socket, servername: "real.test", ALPNProtocols: ["h2"] });
    client.on("error", () => undefined);
    assert.equal(told(parseClientHello(await received)), "real.test h2");
    client.destroy();
    socket.destroy();
    server.close();
  });
});
