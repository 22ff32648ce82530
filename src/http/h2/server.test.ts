import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connected, ServerRun, type ServerRunOptions } from "../../../testkit/http2/codec-log.ts";
import { FrameText } from "../../../testkit/http2/frame-text.ts";
import {
  clientBegin,
  data,
  frame,
  getFields,
  headers,
  literal,
  literals,
  postFields,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from "../../../testkit/http2/frames.ts";
import { HeaderList } from "../headers.ts";
import { ResponseHead, type ResponseStream } from "../message.ts";
import { Setting } from "./frames.ts";

const get = literals(getFields);
const post = literals(postFields);
const ok = new ResponseHead(200, HeaderList.of({ "x-a": "b" }));
const answer = (stream: ResponseStream): void => {
  stream.sendHead(ok, false);
  stream.sendData(Buffer.from("body"), true);
};

/** A run whose output is read as text from after the SETTINGS on. */
function begin(options: ServerRunOptions = {}): { run: ServerRun; said: () => string[] } {
  const run = connected(options);
  const text = new FrameText();
  return { run, said: () => text.lines(run.output.take()) };
}

function first(run: ServerRun): ResponseStream {
  const served = run.streams[0];
  assert.ok(served !== undefined);
  return served.stream;
}

describe("the connection's begin", () => {
  it("says our settings and the connection's window, and acknowledges theirs", () => {
    const run = new ServerRun({ allowConnect: true, hpackTableSize: 8192 });
    run.feed(clientBegin, settingsAck);
    assert.deepEqual(new FrameText().lines(run.output.take()), [
      "settings 3=1024 8=1 1=8192 4=16777216 6=64640",
      "window 0 25100289",
      "settings ack",
    ]);
  });

  it("takes the preface cut anywhere, and a frame cut anywhere", () => {
    const run = new ServerRun({ onEnd: answer });
    const bytes = Buffer.concat([
      clientBegin,
      headers(1, post),
      data(1, "xyz"),
      frame(0, 0x9, 1, Buffer.from([2, 65, 0, 0])),
    ]);
    for (const byte of bytes) run.feed(Buffer.of(byte));
    assert.equal(run.streams[0]?.log.text(), "POST / h \ndata 4\nend");
    assert.equal(run.broken, undefined);
  });

  it("refuses what is no preface", () => {
    const run = new ServerRun();
    run.feed(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    assert.equal(run.broken, "codec_error:protocol_error");
  });
});

describe("requests", () => {
  const seen = (fields: readonly (readonly [string, string])[], options: ServerRunOptions = {}) => {
    const { run } = begin(options);
    run.feed(headers(1, literals(fields), { end: true }));
    return run.streams[0]?.log.text() ?? run.broken;
  };

  it("join the crumbs of a cookie where the first was", () => {
    assert.equal(
      seen([...getFields, ["cookie", "a=1"], ["x-a", "b"], ["cookie", "c=2"]]),
      "GET / h cookie=a=1; c=2&x-a=b end",
    );
  });

  it("take Host for a missing :authority, and drop it beside one", () => {
    const without = getFields.filter(([name]) => name !== ":authority");
    assert.equal(seen([...without, ["host", "other"]]), "GET / other  end");
    assert.equal(seen([...getFields, ["host", "other"]]), "GET / h  end");
  });

  it("say that they expect a 100 without the field", () => {
    const { run } = begin();
    run.feed(headers(1, literals([...postFields, ["expect", "100-continue"]])));
    assert.equal(run.streams[0]?.log.text(), "POST / h ");
  });

  it("of extended CONNECT are upgrades, where they are allowed", () => {
    const fields = [
      [":method", "CONNECT"],
      [":protocol", "websocket"],
      ...getFields.slice(1),
    ] as const;
    const { run, said } = begin({ allowConnect: true });
    run.feed(headers(1, literals(fields)));
    assert.equal(run.streams[0]?.log.text(), "GET / h ");
    const switching = HeaderList.of({ connection: "Upgrade", upgrade: "websocket", "x-a": "b" });
    first(run).sendHead(new ResponseHead(101, switching), false);
    run.output.endEvent();
    assert.deepEqual(said(), ["headers 1 :status=200 x-a=b"]);
    assert.equal(seen(fields), "http2.invalid.header.field");
  });

  it("that nobody could serve are told to the owner", () => {
    const { run } = begin({ streamErrorOnInvalidMessage: true });
    const refused: string[] = [];
    run.onRefusedHead = (detail) => refused.push(detail);
    const path = (value: string): Buffer =>
      literals(getFields.map(([name, old]) => [name, name === ":path" ? value : old]));
    run.feed(headers(1, path("foo")), headers(3, path("")), headers(5, path("/a b")));
    run.feed(headers(7, path("*")), headers(9, literals([...getFields, [":authority", "b"]])));
    const many = Array.from({ length: 101 }, (_, i) => [`x-${i}`, "1"] as const);
    run.feed(headers(11, literals([...getFields, ...many])));
    assert.deepEqual(refused, [
      "http2.violation.of.messaging.rule",
      "http2.invalid.header.field",
      "http2.invalid.header.field",
      "http2.violation.of.messaging.rule",
      "http2.violation.of.messaging.rule",
      "http2.too_many_headers",
    ]);
    assert.equal(run.streams.length, 0);
  });

  it("of CONNECT have an authority alone", () => {
    const connect = [
      [":method", "CONNECT"],
      [":authority", "h:1"],
    ] as const;
    assert.equal(seen(connect), "CONNECT  h:1  end");
    assert.equal(seen([...connect, [":path", "/"]]), "http2.violation.of.messaging.rule");
  });

  it("with underscores in names go, lose the field or are refused, as told", () => {
    const fields = [...getFields, ["x_a", "b"]] as const;
    assert.equal(seen(fields), "GET / h x_a=b end");
    assert.equal(seen(fields, { underscores: "DROP_HEADER" }), "GET / h  end");
    const { run, said } = begin({ underscores: "REJECT_REQUEST" });
    run.feed(headers(1, literals(fields), { end: true }));
    assert.deepEqual(said(), ["reset 1 1"]);
    assert.equal(run.stats.get("requestsRejectedWithUnderscores"), 1);
  });

  const wrong: readonly (readonly [title: string, pieces: readonly Buffer[]])[] = [
    [
      "less than content-length, before trailers",
      [data(1, "xx"), headers(1, literal("t", "1"), { end: true })],
    ],
    ["trailers that do not end the stream", [data(1, "xxxx"), headers(1, literal("t", "1"))]],
    [
      "trailers with a pseudo field",
      [data(1, "xxxx"), headers(1, literal(":path", "/"), { end: true })],
    ],
  ];
  for (const [title, pieces] of wrong) {
    it(`with ${title} end with their connection, or alone if so configured`, () => {
      const head = headers(1, literals([...postFields, ["content-length", "4"]]));
      const strict = begin();
      strict.run.feed(head, ...pieces);
      assert.match(
        strict.run.broken ?? "",
        /^http2\.(violation\.of\.messaging\.rule|invalid\.header\.field)$/,
      );
      assert.deepEqual(strict.said(), ["goaway 1 1"]);
      const lenient = begin({ streamErrorOnInvalidMessage: true });
      lenient.run.feed(head, ...pieces);
      assert.equal(lenient.run.broken, undefined);
      assert.deepEqual(lenient.said(), ["reset 1 1"]);
      assert.match(lenient.run.streams[0]?.log.text() ?? "", /reset protocol/);
    });
  }

  for (const [title, body] of [
    ["less", [data(1, "xx"), data(1, "x", true)]],
    ["more", [data(1, "xxxxx")]],
  ] as const) {
    it(`with ${title} than content-length in DATA end alone, as in Envoy`, () => {
      const { run, said } = begin();
      run.feed(headers(1, literals([...postFields, ["content-length", "4"]])), ...body);
      assert.equal(run.broken, undefined);
      assert.deepEqual(said(), ["reset 1 1"]);
      assert.match(run.streams[0]?.log.text() ?? "", /reset protocol http2\.remote_reset/);
    });
  }

  it("with two lengths are malformed, although they be equal", () => {
    assert.equal(
      seen([...getFields, ["content-length", "0"], ["content-length", "0"]]),
      "http2.invalid.header.field",
    );
  });
});

describe("answers", () => {
  it("informational heads come before, and not after", () => {
    const { run, said } = begin({
      onEnd: (stream) => {
        stream.sendInformational(new ResponseHead(103));
        stream.sendHead(ok, false);
        stream.sendInformational(new ResponseHead(103));
        stream.sendTrailers(HeaderList.of({ t: "1" }));
      },
    });
    run.feed(headers(1, get, { end: true }));
    assert.deepEqual(said(), [
      "headers 1 :status=103",
      "headers 1 :status=200 x-a=b",
      "headers 1 t=1 end",
    ]);
    assert.equal(run.codec.active, 0);
  });

  it("whole before their requests ask for no more of them", () => {
    const { run, said } = begin();
    run.feed(headers(1, post));
    answer(first(run));
    run.output.endEvent();
    assert.deepEqual(said(), ["headers 1 :status=200 x-a=b", "data 1 4 end", "reset 1 0"]);
    run.feed(data(1, "more", true), rstStream(1));
    assert.equal(run.broken, undefined);
    assert.equal(run.streams[0]?.log.text(), "POST / h ");
  });

  it("of many fields go on in CONTINUATION", () => {
    const large = new ResponseHead(200, HeaderList.of({ "x-large": "l".repeat(40_000) }));
    const { run, said } = begin({ onEnd: (stream) => stream.sendHead(large, true) });
    run.feed(headers(1, get, { end: true }), headers(3, get, { end: true }));
    const kinds = said().map((line) => line.slice(0, 22).trim());
    assert.deepEqual(kinds.slice(0, 3), [
      "headers 1 +16384 end",
      "continuation 1 +16384",
      "continuation 1 :status",
    ]);
    assert.equal(kinds.length, 6);
  });

  it("do nothing after a reset, ours or theirs", () => {
    const { run, said } = begin();
    run.feed(headers(1, get, { end: true }), headers(3, get, { end: true }), rstStream(3));
    first(run).reset("local");
    for (const { stream } of run.streams) {
      answer(stream);
      stream.reset("local");
    }
    run.output.endEvent();
    assert.deepEqual(said(), ["reset 1 2"]);
    assert.equal(run.streams[1]?.log.lines.at(-1), "reset remote-reset http2.remote_reset");
  });
});

describe("windows", () => {
  const narrow = settings([[Setting.initialWindowSize, 10]]);

  it("hold DATA back until they open, the end and the trailers behind it", () => {
    const { run, said } = begin({
      onEnd: (stream) => {
        stream.sendHead(ok, false);
        stream.sendData(Buffer.alloc(25), false);
        stream.sendTrailers(HeaderList.of({ t: "1" }));
      },
    });
    run.feed(narrow, headers(1, get, { end: true }));
    assert.deepEqual(said().slice(2), ["data 1 10"]);
    assert.equal(run.stats.get("pendingSendBytes"), 15);
    run.feed(windowUpdate(1, 10));
    assert.deepEqual(said(), ["data 1 10"]);
    run.feed(settings([[Setting.initialWindowSize, 15]]));
    assert.deepEqual(said(), ["settings ack", "data 1 5", "headers 1 t=1 end"]);
    assert.equal(run.stats.get("pendingSendBytes"), 0);
    assert.equal(run.codec.active, 0);
  });

  it("are shared in turn: a large answer does not hold up a small one", () => {
    const sizes = [60_000, 60_000, 100];
    const { run, said } = begin({
      onEnd: (stream) => {
        stream.sendHead(ok, false);
        stream.sendData(Buffer.alloc(sizes.shift() ?? 0), true);
      },
    });
    const stuck = (id: number) => headers(id, get, { end: true });
    // 5535 octets are left for the second stream.
    run.feed(stuck(1), stuck(3), stuck(5));
    said();
    run.feed(windowUpdate(0, 40_000));
    assert.deepEqual(said(), ["data 3 16384", "data 5 100 end", "data 3 16384", "data 3 7132"]);
  });

  it("of a stream whose reader is paused are not opened again", () => {
    const { run, said } = begin({ initialStreamWindowSize: 65_535 });
    const part = Buffer.alloc(16_000);
    run.feed(headers(1, post), headers(3, post));
    first(run).pause();
    for (const id of [1, 3]) run.feed(data(id, part), data(id, part), data(id, part));
    assert.deepEqual(said(), ["window 3 48000"]);
    first(run).resume();
    run.output.endEvent();
    assert.deepEqual(said(), ["window 1 48000"]);
  });

  it("of the connection come back for streams that end paused, and for padding", () => {
    const { run, said } = begin({ initialConnectionWindowSize: 65_535 });
    run.feed(headers(1, post));
    first(run).pause();
    run.feed(
      data(1, Buffer.alloc(16_000)),
      frame(0, 8, 1, Buffer.concat([Buffer.of(200), Buffer.alloc(15_900)])),
    );
    assert.deepEqual(said(), []);
    run.feed(rstStream(1), headers(3, post), data(3, "x".repeat(1000)));
    assert.deepEqual(said(), ["window 0 32901"]);
  });

  it("stop the producer above the limit and let it go on below half", () => {
    const { run } = begin({ streamBufferLimit: 1000 });
    run.feed(narrow, headers(1, get, { end: true }));
    const [served] = run.streams;
    assert.ok(served !== undefined);
    const heard: string[] = [];
    served.onUnwritable = () => heard.push("stop");
    served.onWritable = () => heard.push("go");
    served.stream.sendHead(ok, false);
    served.stream.sendData(Buffer.alloc(1010), false);
    assert.deepEqual(heard, []);
    served.stream.sendData(Buffer.alloc(1), false);
    assert.deepEqual(heard, ["stop"]);
    run.feed(windowUpdate(1, 500));
    assert.deepEqual(heard, ["stop"]);
    run.feed(windowUpdate(1, 1));
    assert.deepEqual(heard, ["stop", "go"]);
  });

  it("that are all shut stop every producer when many buffers are full", () => {
    const { run } = begin({ streamBufferLimit: 1000 });
    const ids = Array.from({ length: 30 }, (_, i) => 2 * i + 1);
    run.feed(settings([[Setting.initialWindowSize, 0]]));
    run.feed(...ids.map((id) => headers(id, get, { end: true })));
    const stopped: number[] = [];
    for (const [i, served] of run.streams.entries()) {
      served.onUnwritable = () => stopped.push(i);
      served.onWritable = () => stopped.splice(stopped.indexOf(i), 1);
      served.stream.sendHead(ok, false);
      served.stream.sendData(Buffer.alloc(900), false);
    }
    assert.deepEqual(stopped, ids.map((_, i) => i).slice(17));
    run.feed(windowUpdate(59, 900));
    assert.equal(stopped.includes(29), false);
  });

  it("do not matter while the connection's output is full", () => {
    const { run, said } = begin();
    run.feed(headers(1, get, { end: true }));
    const [served] = run.streams;
    assert.ok(served !== undefined);
    const heard: string[] = [];
    served.onUnwritable = () => heard.push("stop");
    served.onWritable = () => heard.push("go");
    run.codec.onUnwritable();
    served.stream.sendHead(ok, false);
    served.stream.sendData(Buffer.alloc(10), true);
    run.output.endEvent();
    assert.deepEqual(said(), ["headers 1 :status=200 x-a=b"]);
    run.codec.onWritable();
    run.output.endEvent();
    assert.deepEqual(said(), ["data 1 10 end"]);
    assert.deepEqual(heard, ["stop", "go"]);
  });

  it("that stay shut cost the stream when the owner has waited long enough", () => {
    const { run, said } = begin({
      onEnd: (stream) => {
        stream.sendHead(ok, false);
        stream.sendData(Buffer.alloc(25), true);
      },
    });
    run.feed(narrow, headers(1, get, { end: true }));
    said();
    run.nowMs = 999;
    run.codec.resetStalled(1000);
    assert.equal(run.codec.active, 1);
    run.nowMs = 1001;
    run.codec.resetStalled(1000);
    run.output.endEvent();
    assert.deepEqual(said(), ["reset 1 8"]);
    assert.equal(run.stats.get("txFlushTimeout"), 1);
    assert.equal(run.stats.get("pendingSendBytes"), 0);
  });
});

describe("the connection's end", () => {
  it("GOAWAY is announced, then said with the last stream taken; what crosses it is ignored", () => {
    const { run, said } = begin({ onEnd: answer });
    run.feed(headers(1, post));
    run.codec.noticeGoAway();
    run.codec.noticeGoAway();
    run.feed(headers(3, post));
    run.codec.goAway();
    run.codec.goAway();
    assert.equal(run.codec.closing, true);
    run.feed(headers(5, post), data(5, "x"), windowUpdate(5, 1), data(5, "x", true));
    assert.deepEqual(said(), ["goaway 2147483647 0", "goaway 3 0"]);
    run.feed(data(1, "", true), data(3, "", true));
    assert.equal(said().length, 4);
    assert.equal(run.codec.active, 0);
    assert.equal(run.broken, undefined);
    assert.equal(run.stats.get("goAwaySent"), 2);
  });

  it("comes after GOAWAY when the last octet has left", () => {
    const { run } = begin({
      onEnd: (stream) => {
        stream.sendHead(ok, false);
        stream.sendData(Buffer.alloc(15), true);
      },
    });
    let drained = 0;
    run.onDrained = () => drained++;
    run.feed(settings([[Setting.initialWindowSize, 10]]), headers(1, get, { end: true }));
    run.codec.goAway();
    assert.equal(run.codec.active, 1);
    run.feed(windowUpdate(1, 4));
    assert.equal(drained, 0);
    run.feed(windowUpdate(1, 1));
    assert.equal(drained, 1);
  });

  it("the peer's FIN ends every stream once", () => {
    const { run, said } = begin();
    run.feed(headers(1, post));
    run.codec.onEnd();
    run.codec.onEnd();
    answer(first(run));
    run.output.endEvent();
    assert.deepEqual(said(), []);
    assert.deepEqual(run.streams[0]?.log.lines.slice(1), [
      "reset remote-close downstream_remote_disconnect",
    ]);
    assert.equal(run.stats.get("streamsActive"), 0);
  });
});
