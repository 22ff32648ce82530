import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChunkedDecoder } from "./chunked.ts";

const limits = { headBytesMax: 100, fieldsMax: 2, lenient: undefined };

function decode(
  text: string,
  decoder = new ChunkedDecoder(limits),
): {
  body: string;
  used: number;
  trailers: readonly string[] | undefined;
  ended: boolean;
  problem: string | undefined;
} {
  let body = "";
  let trailers: readonly string[] | undefined;
  let ended = false;
  const used = decoder.feed(Buffer.from(`skip${text}`, "latin1"), 4, {
    onChunkData: (chunk) => {
      body += Buffer.from(chunk).toString("latin1");
    },
    onChunkedEnd: (list) => {
      ended = true;
      trailers = list?.list;
    },
  });
  return { body, used, trailers, ended, problem: decoder.problem };
}

describe("a chunked body", () => {
  it("ends at its last byte and says how many it used", () => {
    const text = "2\r\nok\r\n0\r\n\r\n";
    const got = decode(`${text}GET /`);
    assert.deepEqual(
      { body: got.body, used: got.used, ended: got.ended },
      { body: "ok", used: text.length, ended: true },
    );
  });

  it("counts trailers in the middle of a read (a wrong count would make the next request)", () => {
    const text = "2\r\nok\r\n0\r\nx: y\r\n\r\n";
    const got = decode(`${text}GET /`);
    assert.equal(got.used, text.length);
    assert.deepEqual(got.trailers, ["x", "y"]);
  });

  it("may follow another one after reset", () => {
    const decoder = new ChunkedDecoder(limits);
    assert.equal(decode("zz", decoder).problem, "size");
    decoder.reset();
    assert.equal(decode("1\r\na\r\n0\r\n\r\n", decoder).ended, true);
    assert.equal(decoder.done, true);
  });

  it("is refused by the kind of its fault", () => {
    assert.equal(decode("\r\n").problem, "size");
    assert.equal(decode(`${"0".repeat(17)}\r\n`).problem, "size");
    assert.equal(decode("1;\x01\r\n").problem, "extension");
    assert.equal(decode(`1;${"a".repeat(17_000)}\r\n`).problem, "extension");
    assert.equal(decode("1\r\nab").problem, "data-end");
    assert.equal(decode("1\r\na\rb").problem, "data-end");
    assert.equal(decode("0\r\nx\r\n\r\n").problem, "trailers");
    assert.equal(decode(`0\r\nx: ${"a".repeat(200)}`).problem, "trailers-too-large");
    assert.equal(decode("0\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n").problem, "too-many-trailers");
  });

  it("has a limit on extensions over all its chunks", () => {
    const chunk = `1;${"a".repeat(1000)}\r\na\r\n`;
    assert.equal(decode(chunk.repeat(16)).problem, undefined);
    assert.equal(decode(chunk.repeat(17)).problem, "extension");
  });
});
