import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  MemorySink,
  runClient,
  runServer,
  strictClient,
  strictServer,
} from "../../../testkit/http1/codec-log.ts";
import { HeaderList } from "../headers.ts";
import { RequestHead, ResponseHead, type ResponseStream } from "../message.ts";
import { Http1ClientCodec } from "./client.ts";
import { Http1ServerCodec, type Http1ServerOptions } from "./server.ts";

const quiet = {
  onInformational() {},
  onHead() {},
  onData() {},
  onTrailers() {},
  onReset() {},
  onWritable() {},
  onUnwritable() {},
};

function writeRequest(head: RequestHead, body: readonly string[], trailers?: HeaderList): Buffer {
  const sink = new MemorySink();
  const codec = new Http1ClientCodec(strictClient, sink, {
    onStreamDone() {},
    onProtocolError() {},
    onGoAway() {},
    onConcurrency() {},
  });
  const stream = codec.newStream(quiet);
  stream.sendHead(head, body.length === 0 && trailers === undefined);
  for (const [index, chunk] of body.entries())
    stream.sendData(Buffer.from(chunk), index === body.length - 1 && trailers === undefined);
  if (trailers !== undefined) stream.sendTrailers(trailers);
  return Buffer.from(sink.text, "latin1");
}

/** What a server writes for one request when `answer` gets its stream. */
function writeResponse(
  request: string,
  answer: (stream: ResponseStream) => void,
  options: Http1ServerOptions = strictServer,
): string {
  const sink = new MemorySink();
  const codec = new Http1ServerCodec(options, sink, {
    onStream: (stream) => ({ ...quiet, onHead: () => answer(stream) }),
    onProtocolError: () => {},
  });
  codec.feed(Buffer.from(request));
  return sink.text;
}

const get = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const answerWith =
  (status: number, fields: Record<string, string>, body: readonly string[]) =>
  (stream: ResponseStream): void => {
    stream.sendHead(new ResponseHead(status, HeaderList.of(fields)), body.length === 0);
    for (const [index, chunk] of body.entries())
      stream.sendData(Buffer.from(chunk), index === body.length - 1);
  };

describe("what the client writes, the server reads", () => {
  it("a head without a body", async () => {
    const head = new RequestHead(
      "GET",
      "/a?b",
      "h:80",
      11,
      HeaderList.of({ "x-a": "1", "x-b": "" }),
    );
    assert.equal(
      (await runServer([writeRequest(head, [])])).log,
      "request GET /a?b h:80 11\n  x-a: 1\n  x-b: \nend",
    );
  });

  it("a body of unknown length, with trailers", async () => {
    const bytes = writeRequest(
      new RequestHead("POST", "/", "h", 11),
      ["hello", "", " world"],
      HeaderList.of({ "x-t": "1" }),
    );
    assert.equal(
      (await runServer([bytes])).log,
      "request POST / h 11\ndata hello world\ntrailers\n  x-t: 1\nend",
    );
  });

  it("a body of known length", async () => {
    const head = new RequestHead("POST", "/", "h", 11, HeaderList.of({ "content-length": "4" }));
    assert.equal(
      (await runServer([writeRequest(head, ["ab", "cd"])])).log,
      "request POST / h 11\n  content-length: 4\ndata abcd\nend",
    );
  });

  it("a POST without a body says so", async () => {
    const log = (await runServer([writeRequest(new RequestHead("POST", "/", "h", 11), [])])).log;
    assert.equal(log, "request POST / h 11\n  content-length: 0\nend");
  });
});

describe("what the server writes, the client reads", () => {
  const read = (written: string, method = "GET", close = false): string =>
    runClient(
      [Buffer.from(written, "latin1")],
      new RequestHead(method, "/", "h", 11),
      strictClient,
      close,
    );

  it("bodies by length and by chunks", () => {
    assert.equal(
      read(writeResponse(get, answerWith(200, { "content-length": "2" }, ["ok"]))),
      "response 200 11\n  content-length: 2\ndata ok\nend\nreusable",
    );
    assert.equal(
      read(writeResponse(get, answerWith(200, {}, ["o", "", "k"]))),
      "response 200 11\ndata ok\nend\nreusable",
    );
    assert.equal(
      read(writeResponse(get, answerWith(200, {}, []))),
      "response 200 11\n  content-length: 0\nend\nreusable",
    );
  });

  it("answers without a body: 204, 304 and to HEAD", () => {
    for (const status of [204, 304])
      assert.equal(
        read(writeResponse(get, answerWith(status, {}, []))),
        `response ${status} 11\nend\nreusable`,
      );
    const head = writeResponse(
      get.replace("GET", "HEAD"),
      answerWith(200, { "content-length": "5" }, []),
    );
    assert.equal(read(head, "HEAD"), "response 200 11\n  content-length: 5\nend\nreusable");
  });

  it("an HTTP/1.0 client gets raw bytes to the close, or a length and keep-alive", () => {
    const old = "GET / HTTP/1.0\r\nhost: h\r\n\r\n";
    const raw = writeResponse(old, answerWith(200, {}, ["o", "k"]));
    assert.equal(raw, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nok");
    assert.equal(read(raw, "GET", true), "response 200 10\ndata ok\nend\nnot reusable");
    const kept = writeResponse(
      old.replace("\r\n\r\n", "\r\nconnection: keep-alive\r\n\r\n"),
      answerWith(200, { "content-length": "2" }, ["ok"]),
    );
    assert.equal(read(kept), "response 200 10\n  content-length: 2\ndata ok\nend\nreusable");
  });

  it("an Upgrade that is declined is framed as any response", () => {
    const upgrade = get.replace(
      "\r\n\r\n",
      "\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    const written = writeResponse(upgrade, answerWith(200, {}, ["no"]));
    assert.equal(read(written), "response 200 11\ndata no\nend\nnot reusable");
  });

  it("proper case changes names only", () => {
    const written = writeResponse(get, answerWith(200, { "x-a": "b-c" }, ["ok"]), {
      ...strictServer,
      nameCase: "proper",
    });
    assert.match(written, /\r\nX-A: b-c\r\nTransfer-Encoding: chunked\r\n/);
    assert.equal(read(written), "response 200 11\n  x-a: b-c\ndata ok\nend\nreusable");
  });
});
