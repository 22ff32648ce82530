import assert from "node:assert/strict";
import { Http1ClientCodec } from "#http/h1/client.ts";
import { RequestHead } from "#http/message.ts";
import { eachInput, type FuzzOptions, type FuzzRandom } from "../fuzz-inputs.ts";
import {
  MemorySink,
  type RecordedRequest,
  runClient,
  runServer,
  strictClient,
  strictServer,
} from "./codec-log.ts";
import { frames } from "./llhttp-oracle.ts";

const host = "host: h\r\n";
const requests: readonly string[] = [
  `GET / HTTP/1.1\r\n${host}\r\n`,
  `GET /a?b HTTP/1.1\r\n${host}x-a: one two\r\nx-b: \xe9\r\naccept: */*\r\n\r\n`,
  `POST /a HTTP/1.1\r\n${host}content-length: 5\r\n\r\nhello`,
  `POST /a HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  `POST /a HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\na\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n`,
  `GET http://other/b HTTP/1.1\r\n${host}connection: keep-alive\r\n\r\n`,
  `OPTIONS * HTTP/1.1\r\n${host}\r\n`,
  `GET /ws HTTP/1.1\r\n${host}connection: Upgrade\r\nupgrade: websocket\r\n\r\n`,
  `CONNECT h:80 HTTP/1.1\r\n${host}\r\n`,
  `POST /a HTTP/1.0\r\n${host}content-length: 2\r\nconnection: keep-alive\r\n\r\nok`,
  `PUT /a HTTP/1.1\r\n${host}expect: 100-continue\r\ncontent-length: 0\r\nte: trailers\r\n\r\n`,
  `\r\nDELETE /a HTTP/1.1\r\n${host}connection: x-a, close\r\nx-a: 1\r\n\r\n`,
];
const responses: readonly string[] = [
  "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
  "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
  "HTTP/1.1 200\r\n\r\nuntil the close",
];
const tokens: readonly string[] = [
  "\r\n",
  "\r",
  "\n",
  "\r\n\r\n",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "\0",
  "\x7f",
  "\xff",
  "0",
  "5",
  "ffffffffffffffff",
  "0x5",
  "-1",
  "+5",
  "chunked",
  "identity",
  "content-length: 5\r\n",
  "content-length: 0\r\n",
  "transfer-encoding: chunked\r\n",
  "Transfer-Encoding:\r\n",
  "transfer-encoding: gzip, chunked\r\n",
  "connection: close\r\n",
  "connection: upgrade\r\n",
  "upgrade: websocket\r\n",
  "host: other\r\n",
  "expect: 100-continue\r\n",
  "HTTP/1.1",
  "HTTP/1.0",
  "GET ",
  "HEAD ",
  "CONNECT ",
  "0\r\n\r\n",
  "5\r\nhello\r\n",
  "@",
  "#",
  "*",
  "\r\n x",
];

function mutate(random: FuzzRandom, corpus: readonly string[]): Buffer {
  let text = random.pick(corpus);
  if (random.below(3) === 0) text += random.pick(corpus);
  for (let left = random.below(4); left > 0; left--) text = mutateOnce(random, text, corpus);
  if (random.below(8) === 0) text = padToLimit(random, text);
  return Buffer.from(text, "latin1");
}

/** A field that makes the first head about as long as the limit: faults of one byte live there. */
function padToLimit(random: FuzzRandom, text: string): string {
  const end = text.indexOf("\r\n\r\n");
  const room = tight.headBytesMax - end - "\r\nx: ".length + random.below(7) - 3;
  if (end === -1 || room < 1) return text;
  return `${text.slice(0, end)}\r\nx: ${"p".repeat(room)}${text.slice(end)}`;
}

function mutateOnce(random: FuzzRandom, text: string, corpus: readonly string[]): string {
  const at = random.below(text.length + 1);
  const length = random.below(Math.min(20, text.length - at) + 1);
  switch (random.below(7)) {
    case 0:
      return flipBit(text, at, random.below(8));
    case 1:
      return text.slice(0, at) + random.pick(tokens) + text.slice(at);
    case 2:
      return text.slice(0, at) + text.slice(at + length);
    case 3:
      return text.slice(0, at + length) + text.slice(at);
    case 4: {
      const other = random.pick(corpus);
      return text.slice(0, at) + other.slice(random.below(other.length));
    }
    case 5:
      return text.slice(0, at) + random.pick(tokens) + text.slice(at + length);
    default:
      return insertLine(text, random.pick(tokens), random);
  }
}

function flipBit(text: string, at: number, bit: number): string {
  if (at >= text.length) return text;
  return (
    text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + text.slice(at + 1)
  );
}

function insertLine(text: string, token: string, random: FuzzRandom): string {
  const lines = text.split("\r\n");
  lines.splice(random.below(lines.length + 1), 0, token.trimEnd());
  return lines.join("\r\n");
}

/** In up to four pieces. */
function cut(random: FuzzRandom, bytes: Buffer): Buffer[] {
  const places = Array.from({ length: 1 + random.below(3) }, () => random.below(bytes.length + 1));
  const ends = [...places.sort((a, b) => a - b), bytes.length];
  let start = 0;
  return ends.map((end) => {
    const piece = bytes.subarray(start, end);
    start = end;
    return piece;
  });
}

const tight = { ...strictServer, headBytesMax: 400, fieldsMax: 8 };

export async function fuzzRequests(options: FuzzOptions): Promise<void> {
  await eachInput(options, async (random) => {
    const bytes = mutate(random, requests);
    const whole = await runServer([bytes], tight);
    const pieces =
      random.below(8) === 0 ? Array.from(bytes, (byte) => Buffer.of(byte)) : cut(random, bytes);
    const split = await runServer(pieces, tight);
    assert.equal(
      split.log,
      whole.log,
      `split changes the events of ${JSON.stringify(bytes.toString("latin1"))}`,
    );
    assert.equal(whole.paused, 0, "the connection is left paused");
    for (const request of whole.requests) checkRequest(request, bytes);
  });
}

function checkRequest(request: RecordedRequest, bytes: Buffer): void {
  const { head, body, end } = request;
  assert.ok(
    head.headers.count <= tight.fieldsMax && head.headers.byteSize() <= 2 * tight.headBytesMax,
  );
  if (!end || head.hostMissing || head.upgrade !== undefined || head.method === "CONNECT") return;
  const sink = new MemorySink();
  const codec = new Http1ClientCodec(strictClient, sink, {
    onStreamDone: () => {},
    onProtocolError: () => {},
    onGoAway: () => {},
    onConcurrency: () => {},
  });
  const chunked = !head.headers.has("content-length");
  const stream = codec.newStream(silent);
  stream.sendHead(head, chunked && body === "");
  if (!chunked || body !== "") stream.sendData(Buffer.from(body, "latin1"), true);
  const seen = frames(Buffer.from(sink.text, "latin1"));
  const context = `${JSON.stringify(bytes.toString("latin1"))} was forwarded as ${JSON.stringify(sink.text)}`;
  assert.deepEqual(seen, [{ method: head.method, target: head.path, body }], context);
}

const silent = {
  onInformational: () => {},
  onHead: () => {},
  onData: () => {},
  onTrailers: () => {},
  onReset: () => {},
  onWritable: () => {},
  onUnwritable: () => {},
};

const tightClient = { ...strictClient, headBytesMax: 400, fieldsMax: 8 };

export async function fuzzResponses(options: FuzzOptions): Promise<void> {
  await eachInput(options, (random) => {
    const bytes = mutate(random, responses);
    const method = random.pick(["GET", "HEAD", "CONNECT"]);
    const upgrade = random.below(8) === 0 ? "websocket" : undefined;
    const close = random.below(2) === 0;
    const run = (given: readonly Uint8Array[]) => {
      const request = new RequestHead(method, "/", "h:80", 11);
      request.upgrade = upgrade;
      return runClient(given, request, tightClient, close);
    };
    const pieces =
      random.below(8) === 0 ? Array.from(bytes, (byte) => Buffer.of(byte)) : cut(random, bytes);
    assert.equal(
      firstExchange(run(pieces)),
      firstExchange(run([bytes])),
      JSON.stringify(bytes.toString("latin1")),
    );
  });
}

/** Whether surplus bytes are seen with the response or after it depends on the cut: either way the connection goes. */
function firstExchange(log: string): string {
  const surplus = log.includes("error unsolicited response");
  const lines = log.split("\n").filter((line) => !line.startsWith("error "));
  return lines.map((line) => (surplus && line === "reusable" ? "not reusable" : line)).join("\n");
}
