import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { frameMessage } from "./frame.ts";
import { MessageReader } from "./messages.ts";
import { GrpcCode, GrpcError } from "./status.ts";

const messages = ["", "a", "bb".repeat(1000), "c"].map((text) => Buffer.from(text));

function read(
  chunks: readonly Uint8Array[],
  { max = 4096, gzip = false } = {},
): { texts: string[]; reader: MessageReader } {
  const texts: string[] = [];
  const reader = new MessageReader(max, (message) => texts.push(Buffer.from(message).toString()));
  if (gzip) reader.encoding = "gzip";
  for (const chunk of chunks) reader.feed(chunk);
  return { texts, reader };
}

test("messages come out as they went in, wherever the body is cut", () => {
  const expected = messages.map((message) => message.toString());
  for (const gzip of [false, true]) {
    const body = Buffer.concat(
      messages.map((message) => frameMessage(message, gzip ? gzipSync : undefined)),
    );
    for (let cut = 0; cut <= body.length; cut++) {
      const { texts, reader } = read([body.subarray(0, cut), body.subarray(cut)], { gzip });
      assert.deepEqual(texts, expected);
      assert.equal(reader.incomplete, false);
    }
  }
});

test("a body that ends inside a message is incomplete", () => {
  const body = frameMessage(Buffer.from("abc"));
  for (let cut = 1; cut < body.length; cut++)
    assert.equal(read([body.subarray(0, cut)]).reader.incomplete, true);
});

const failure = (code: number, pattern: RegExp) => (error: unknown) =>
  error instanceof GrpcError && error.code === code && pattern.test(error.message);

test("a message over the limit is refused by its length, before its bytes come", () => {
  const prefix = frameMessage(Buffer.alloc(5000)).subarray(0, 5);
  assert.throws(
    () => read([prefix]),
    failure(GrpcCode.resourceExhausted, /5000 bytes, more than the maximum of 4096/),
  );
});

test("a message that grows over the limit when decompressed is refused", () => {
  const bomb = frameMessage(Buffer.alloc(1_000_000), gzipSync);
  assert.ok(bomb.length < 4096);
  assert.throws(
    () => read([bomb], { gzip: true }),
    failure(GrpcCode.resourceExhausted, /when decompressed/),
  );
});

test("broken prefixes and broken gzip are INTERNAL", () => {
  const compressed = frameMessage(Buffer.from("x"), gzipSync);
  assert.throws(() => read([compressed]), failure(GrpcCode.internal, /without grpc-encoding/));
  assert.throws(
    () => read([Buffer.from([2, 0, 0, 0, 0])]),
    failure(GrpcCode.internal, /compression flag 2/),
  );
  const broken = Buffer.concat([Buffer.from([1, 0, 0, 0, 4]), Buffer.from("gzip")]);
  assert.throws(() => read([broken], { gzip: true }), failure(GrpcCode.internal, /not gzip/));
});
