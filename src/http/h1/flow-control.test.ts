import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  MemorySink,
  settled,
  strictClient,
  strictServer,
} from "../../../testkit/http1/codec-log.ts";
import {
  RequestHead,
  type RequestSink,
  ResponseHead,
  type ResponseSink,
  type ResponseStream,
} from "../message.ts";
import { Http1ClientCodec } from "./client.ts";
import { Http1ServerCodec } from "./server.ts";

const get = (path: string): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nhost: h\r\n\r\n`);

class Requests implements RequestSink {
  readonly paths: string[] = [];
  readonly told: string[] = [];
  stream: ResponseStream | undefined;

  onHead(head: RequestHead): void {
    this.paths.push(head.path);
  }

  onData(): void {}
  onTrailers(): void {}
  onReset(): void {}

  onWritable(): void {
    this.told.push("writable");
  }

  onUnwritable(): void {
    this.told.push("unwritable");
  }
}

function server(): {
  codec: Http1ServerCodec;
  sink: MemorySink;
  requests: Requests;
  answer(): void;
} {
  const requests = new Requests();
  const sink = new MemorySink();
  const codec = new Http1ServerCodec(strictServer, sink, {
    onStream: (stream) => {
      requests.stream = stream;
      return requests;
    },
    onProtocolError: () => {},
  });
  return {
    codec,
    sink,
    requests,
    answer: () => requests.stream?.sendHead(new ResponseHead(200), true),
  };
}

describe("flow control of a server", () => {
  it("pauses the connection while a pipelined request waits, and only then", async () => {
    const { codec, sink, requests, answer } = server();
    codec.feed(get("/a"));
    assert.equal(sink.paused, 0);
    codec.feed(get("/b"));
    assert.deepEqual([sink.paused, requests.paths.length], [1, 1]);
    answer();
    await settled();
    assert.deepEqual([sink.paused, requests.paths], [0, ["/a", "/b"]]);
  });

  it("does not begin the next request while the client leaves the last answer unread", async () => {
    const { codec, requests, answer } = server();
    codec.feed(get("/a"));
    codec.onUnwritable();
    answer();
    codec.feed(get("/b"));
    await settled();
    assert.deepEqual(requests.paths, ["/a"]);
    codec.onWritable();
    await settled();
    assert.deepEqual(requests.paths, ["/a", "/b"]);
    assert.deepEqual(requests.told, ["unwritable"]);
  });

  it("reads on, to throw away, when the last answer closes", async () => {
    const { codec, sink, requests, answer } = server();
    codec.feed(get("/a"));
    codec.feed(get("/b"));
    codec.goAway();
    answer();
    await settled();
    assert.deepEqual([sink.paused, requests.paths], [0, ["/a"]]);
    assert.equal(codec.closing, true);
  });

  it("begins no pipelined request for a client that has gone", async () => {
    const { codec, requests, answer } = server();
    codec.feed(get("/a"));
    codec.feed(get("/b"));
    answer();
    codec.onEnd();
    await settled();
    assert.deepEqual(requests.paths, ["/a"]);
  });
});

describe("the client's pool", () => {
  it("never gets bytes behind a response as the answer to its next request", () => {
    const log: string[] = [];
    const sinkNamed = (name: string): ResponseSink => ({
      onInformational: () => {},
      onHead: (head) => log.push(`${name} ${head.status}`),
      onData: () => {},
      onTrailers: () => {},
      onReset: () => log.push(`${name} reset`),
      onWritable: () => {},
      onUnwritable: () => {},
    });
    const codec = new Http1ClientCodec(strictClient, new MemorySink(), {
      onStreamDone: (reusable) => {
        log.push(reusable ? "reusable" : "not reusable");
        // What a pool does when a request waits.
        if (reusable) codec.newStream(sinkNamed("second"));
      },
      onProtocolError: () => log.push("error"),
      onGoAway: () => {},
      onConcurrency: () => {},
    });
    const first = codec.newStream(sinkNamed("first"));
    first.sendHead(new RequestHead("GET", "/", "h", 11), true);
    const ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    codec.feed(Buffer.from(`${ok}HTTP/1.1 201 Evil\r\ncontent-length: 0\r\n\r\n`));
    assert.deepEqual(log, ["first 200", "not reusable", "error"]);
  });

  it("does not reuse a connection that still holds the last request", () => {
    const done: boolean[] = [];
    const codec = new Http1ClientCodec(strictClient, new MemorySink(), {
      onStreamDone: (reusable) => done.push(reusable),
      onProtocolError: () => {},
      onGoAway: () => {},
      onConcurrency: () => {},
    });
    const quiet = {
      onInformational() {},
      onHead() {},
      onData() {},
      onTrailers() {},
      onReset() {},
      onWritable() {},
      onUnwritable() {},
    };
    const stream = codec.newStream(quiet);
    stream.sendHead(new RequestHead("POST", "/", "h", 11), false);
    stream.sendData(Buffer.alloc(10), true);
    codec.onUnwritable();
    codec.feed(Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    assert.deepEqual(done, [false]);
  });
});
