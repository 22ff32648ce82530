import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClientRun } from "../../../testkit/http2/codec-log.ts";
import { FrameText } from "../../../testkit/http2/frame-text.ts";
import {
  data,
  goAway,
  headers,
  literal,
  rstStream,
  settings,
} from "../../../testkit/http2/frames.ts";
import { HeaderList } from "../headers.ts";
import { RequestHead, ResponseHead, type ResponseSink } from "../message.ts";
import { clientPreface, Setting } from "./frames.ts";
import type { Http2Options } from "./http2-options.ts";

const ok = Buffer.of(0x88);
const quiet: ResponseSink = {
  onInformational: () => {},
  onHead: () => {},
  onData: () => {},
  onTrailers: () => {},
  onReset: () => {},
  onWritable: () => {},
  onUnwritable: () => {},
};

/** Past the SETTINGS of both sides. */
function begin(options: Partial<Http2Options> = {}): { run: ClientRun; said: () => string[] } {
  const run = new ClientRun(options);
  run.feed(settings([]));
  run.output.take();
  const text = new FrameText();
  return { run, said: () => text.lines(run.output.take()) };
}

describe("the connection's begin", () => {
  it("is the preface and SETTINGS, before any request", () => {
    const run = new ClientRun();
    const bytes = run.output.take();
    assert.ok(bytes.subarray(0, clientPreface.length).equals(clientPreface));
    assert.deepEqual(new FrameText().lines(bytes.subarray(clientPreface.length)), [
      "settings 2=0 4=16777216 6=64640",
      "window 0 25100289",
    ]);
  });

  it("refuses a server that does not begin with SETTINGS", () => {
    const run = new ClientRun();
    run.feed(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert.notEqual(run.broken, undefined);
  });
});

describe("requests", () => {
  const written = (head: RequestHead): string[] => {
    const { run, said } = begin();
    run.codec.newStream(quiet).sendHead(head, true);
    run.output.endEvent();
    return said();
  };

  it("have their pseudo fields first", () => {
    const head = new RequestHead("GET", "/a?b", "h:80", 20, HeaderList.of({ "x-a": "b" }));
    head.scheme = "https";
    assert.deepEqual(written(head), [
      "headers 1 :method=GET :scheme=https :path=/a?b :authority=h:80 x-a=b end",
    ]);
  });

  it("without an authority have none", () => {
    assert.deepEqual(written(new RequestHead("GET", "/", "", 11)), [
      "headers 1 :method=GET :scheme=http :path=/ end",
    ]);
  });

  it("CONNECT has its authority alone", () => {
    assert.deepEqual(written(new RequestHead("CONNECT", "", "h:1", 11)), [
      "headers 1 :method=CONNECT :authority=h:1 end",
    ]);
  });

  it("that upgrade are extended CONNECT, and a 200 their 101", () => {
    const { run, said } = begin();
    run.feed(settings([[Setting.enableConnectProtocol, 1]]));
    assert.equal(run.codec.connectOffered, true);
    const heads: string[] = [];
    const stream = run.codec.newStream({
      ...quiet,
      onHead: ({ status, headers: { list } }) => heads.push(`${status} ${list.join(" ")}`),
    });
    const head = new RequestHead("GET", "/chat", "h", 11);
    head.upgrade = "websocket";
    stream.sendHead(head, false);
    run.output.endEvent();
    assert.deepEqual(said().slice(1), [
      "headers 1 :method=CONNECT :scheme=http :path=/chat :authority=h :protocol=websocket",
    ]);
    run.feed(headers(1, ok));
    assert.deepEqual(heads, ["101 upgrade websocket connection upgrade"]);
  });

  it("get their ids in the order in which they begin", () => {
    const { run, said } = begin();
    const late = run.codec.newStream(quiet);
    const early = run.codec.newStream(quiet);
    early.sendHead(new RequestHead("GET", "/early", "h", 20), true);
    late.sendHead(new RequestHead("GET", "/late", "h", 20), true);
    run.output.endEvent();
    assert.deepEqual(
      said().map((line) => /^headers \d .*:path=\S+/.exec(line)?.[0]),
      [
        "headers 1 :method=GET :scheme=http :path=/early",
        "headers 3 :method=GET :scheme=http :path=/late",
      ],
    );
  });

  it("given up before they began leave no trace", () => {
    const { run, said } = begin();
    const stream = run.codec.newStream(quiet);
    stream.reset("local");
    stream.sendHead(new RequestHead("GET", "/", "h", 20), true);
    run.output.endEvent();
    assert.deepEqual(said(), []);
    assert.equal(run.done, 1);
  });

  it("given up are reset, and what comes for them still is ignored", () => {
    const { run, said } = begin();
    const stream = run.request("GET");
    stream.reset("local");
    run.output.endEvent();
    run.feed(headers(1, ok), data(1, "body", true));
    assert.deepEqual(said().slice(1), ["reset 1 8"]);
    assert.equal(run.done, 1);
    assert.equal(run.broken, undefined);
  });
});

describe("responses", () => {
  it("of HEAD, 204 and 304 have no body, whatever their length says", () => {
    for (const [method, block] of [
      ["HEAD", ok],
      ["GET", literal(":status", "204")],
      ["GET", literal(":status", "304")],
    ] as const) {
      const { run } = begin();
      run.request(method);
      run.feed(headers(1, Buffer.concat([block, literal("content-length", "9")]), { end: true }));
      assert.equal(run.broken, undefined);
      assert.equal(run.done, 1);
    }
  });

  it("with a body where there is none end alone", () => {
    const { run } = begin();
    run.request("HEAD");
    run.feed(headers(1, ok), data(1, "x", true));
    assert.equal(run.broken, undefined);
    assert.match(run.text(), /reset protocol http2\.remote_reset/);
    assert.equal(run.done, 1);
  });

  it("cut short end alone", () => {
    const { run } = begin();
    run.request("GET");
    run.feed(headers(1, Buffer.concat([ok, literal("content-length", "9")])), data(1, "x", true));
    assert.equal(run.broken, undefined);
    assert.match(run.text(), /reset protocol http2\.remote_reset/);
    assert.equal(run.done, 1);
  });

  it("whole before their requests end them without an event when the server says so", () => {
    const { run, said } = begin();
    const stream = run.request("POST", false);
    run.feed(headers(1, ok, { end: true }));
    assert.equal(run.done, 0);
    run.feed(rstStream(1, 0));
    assert.equal(run.done, 1);
    assert.doesNotMatch(run.text(), /reset/);
    said();
    stream.sendData(Buffer.from("late"), true);
    run.output.endEvent();
    assert.deepEqual(said(), []);
  });

  it("informational ones come before", () => {
    const { run } = begin();
    run.request("GET");
    run.feed(headers(1, literal(":status", "103")), headers(1, ok, { end: true }));
    assert.match(run.text(), /^informational 103\n200 {2}end/);
  });

  it("may answer a request within its own event", () => {
    const { run, said } = begin();
    let body = 0;
    run.codec
      .newStream({
        ...quiet,
        onHead: (head) => {
          assert.ok(head instanceof ResponseHead);
          run.request("GET");
        },
        onData: (chunk) => {
          body += chunk.length;
        },
      })
      .sendHead(new RequestHead("GET", "/", "h", 20), true);
    run.feed(headers(1, ok), data(1, "abc", true));
    assert.equal(body, 3);
    assert.equal(run.done, 1);
    assert.equal(said().length, 2);
  });
});

describe("the server's limits", () => {
  it("its concurrency is ours, up to our own", () => {
    const { run } = begin({ maxConcurrentStreams: 50 });
    assert.equal(run.codec.concurrency, 50);
    run.feed(settings([[Setting.maxConcurrentStreams, 10]]));
    assert.equal(run.codec.concurrency, 10);
    run.feed(settings([[Setting.maxConcurrentStreams, 1000]]));
    assert.equal(run.codec.concurrency, 50);
    assert.match(run.text(), /concurrency 10\n--\nconcurrency 50/);
  });

  it("GOAWAY refuses the requests that it never saw, and lets the others end", () => {
    const { run } = begin();
    run.request("GET");
    run.request("GET");
    const waiting: string[] = [];
    run.codec.newStream({ ...quiet, onReset: (reason) => waiting.push(reason) });
    run.feed(goAway(1, 0));
    assert.equal(run.codec.concurrency, 0);
    assert.deepEqual(waiting, ["refused"]);
    assert.equal(run.done, 2);
    run.feed(goAway(1, 0));
    run.feed(headers(1, ok, { end: true }));
    assert.equal(run.done, 3);
    assert.equal(run.text().match(/goaway/g)?.length, 1);
    assert.equal(run.text().match(/reset refused/g)?.length, 1);
  });

  it("its FIN ends every request once, those too that have not begun", () => {
    const { run } = begin();
    run.request("GET");
    run.codec.newStream(quiet);
    run.codec.onEnd();
    run.codec.onEnd();
    assert.equal(run.done, 2);
    assert.equal(run.text().match(/reset remote-close/g)?.length, 1);
    assert.equal(run.codec.active, 0);
  });

  it("REFUSED_STREAM says that a request may be tried again", () => {
    const { run } = begin();
    run.request("GET");
    run.feed(rstStream(1, 7));
    assert.match(run.text(), /reset refused http2\.remote_refuse/);
    assert.equal(run.stats.get("streamRefusedErrors"), 1);
  });
});
