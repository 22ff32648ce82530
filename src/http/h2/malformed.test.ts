/** Messages and frames that are wrong or too large, and what they cost: their stream or their connection. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  answerEmpty,
  ClientRun,
  connected,
  frameNames,
  ServerRun,
} from "../../../testkit/http2/codec-log.ts";
import {
  continuation,
  data,
  frame,
  get,
  getFields,
  headers,
  id,
  literal,
  literals,
  ping,
  post,
  settings,
  times,
  windowUpdate,
} from "../../../testkit/http2/frames.ts";
import { Detail } from "./details.ts";
import { ErrorCode, Setting } from "./frames.ts";
import type { Http2Stats } from "./http2-options.ts";

describe("field sections", () => {
  const fields = (count: number) =>
    Array.from({ length: count }, (_, i) => [`x-${i}`, "1"] as const);
  const blocks: readonly (readonly [
    title: string,
    counter: keyof Http2Stats,
    block: Uint8Array,
  ])[] = [
    [
      "100 fields, pseudo fields included",
      "headerOverflow",
      literals([...getFields, ...fields(97)]),
    ],
    ["60 KiB", "headerListSizeTooLarge", literals([...getFields, ["x-a", "a".repeat(61_440)]])],
    [
      "60 KiB by reference to one entry",
      "headerListSizeTooLarge",
      Buffer.concat([
        get,
        Buffer.from("40", "hex"),
        literal("x-a", "a".repeat(3000)).subarray(1),
        Buffer.alloc(5000, 0xbe),
      ]),
    ],
    [
      "100 crumbs of a cookie by reference",
      "headerOverflow",
      Buffer.concat([
        get,
        Buffer.from("40", "hex"),
        literal("cookie", "a=b").subarray(1),
        Buffer.alloc(200, 0xbe),
      ]),
    ],
  ];
  for (const [title, counter, block] of blocks) {
    it(`over ${title} cost their stream, and the next is served`, () => {
      const run = connected({ onEnd: answerEmpty });
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < block.length; at += 16_384) {
        const piece = block.subarray(at, at + 16_384);
        const more = at + 16_384 < block.length;
        pieces.push(
          at === 0 ? headers(1, piece, { end: true, more }) : continuation(1, piece, more),
        );
      }
      run.feed(...pieces);
      // What the block added to the table is still there.
      run.feed(headers(3, get, { end: true }));
      assert.equal(run.broken, undefined);
      assert.equal(run.stats.get(counter), 1);
      assert.deepEqual(frameNames(run.output.takeFrames()), [
        `rstStream ${ErrorCode.internalError}`,
        "headers",
      ]);
      assert.equal(run.streams.length, 1);
    });
  }

  it("of 100 fields are served", () => {
    const run = connected({ onEnd: answerEmpty });
    run.feed(headers(1, literals([...getFields, ...fields(96)]), { end: true }));
    assert.equal(run.streams.length, 1);
  });

  it("over the limits in trailers cost the stream too", () => {
    const run = connected();
    run.feed(headers(1, post), headers(1, literals(fields(101)), { end: true }));
    assert.equal(run.broken, undefined);
    assert.match(run.streams[0]?.log.lines.at(-1) ?? "", /^reset overflow/);
  });

  it("without an end cost the connection", () => {
    const run = connected();
    run.feed(headers(1, get, { more: true }));
    let frames = 0;
    for (; frames < 1000 && run.broken === undefined; frames++)
      run.feed(continuation(1, literal("x", "1"), true));
    assert.ok(frames < 100, `${frames} frames`);
    assert.deepEqual(frameNames(run.output.takeFrames()), [`goAway ${ErrorCode.enhanceYourCalm}`]);
    assert.equal(run.streams.length, 0);
  });

  it("are held in less than 300 KB until they end", () => {
    const run = connected();
    run.feed(headers(1, get, { more: true }));
    let octets = 0;
    for (; octets < 10_000_000 && run.broken === undefined; octets += 16_384)
      run.feed(continuation(1, Buffer.alloc(16_384, 0x82), true));
    assert.ok(octets < 300_000, `${octets} octets`);
  });

  it("by reference to what is not there are a COMPRESSION_ERROR", () => {
    const run = connected();
    run.feed(headers(1, Buffer.concat([get, Buffer.of(0xff, 0x80, 0x01)]), { end: true }));
    assert.deepEqual(frameNames(run.output.takeFrames()), [`goAway ${ErrorCode.compressionError}`]);
    assert.equal(run.streams.length, 0);
  });

  const bad: readonly (readonly [title: string, name: string, value: string])[] = [
    ["an empty name", "", "x"],
    ["an upper-case name", "X-a", "x"],
    ["a name with a space", "x a", "x"],
    ["a name with a colon", "x:a", "x"],
    ["an unknown pseudo field", ":x", "x"],
    ["a pseudo field after the others", ":path", "/"],
    ["a value with CR LF", "x-a", "1\r\nx-b: 2"],
    ["a value with NUL", "x-a", "1\0"],
    ["a value that begins with a space", "x-a", " 1"],
    ["connection", "connection", "close"],
    ["transfer-encoding", "transfer-encoding", "chunked"],
    ["two different lengths", "content-length", "1"],
  ];
  for (const [title, name, value] of bad) {
    it(`with ${title} reach nobody`, () => {
      const block = Buffer.concat([post, literal("content-length", "0"), literal(name, value)]);
      const strict = connected();
      strict.feed(headers(1, block), headers(3, get, { end: true }));
      assert.notEqual(strict.broken, undefined);
      assert.equal(strict.streams.length, 0);
      assert.equal(strict.stats.get("rxMessagingError"), 1);

      const lenient = connected({ streamErrorOnInvalidMessage: true, onEnd: answerEmpty });
      lenient.feed(headers(1, block), headers(3, get, { end: true }));
      assert.equal(lenient.broken, undefined);
      assert.deepEqual(frameNames(lenient.output.takeFrames()), [
        `rstStream ${ErrorCode.protocolError}`,
        "headers",
      ]);
      assert.equal(lenient.streams.length, 1);
    });
  }
});

describe("flow control", () => {
  it("a connection's window over 2^31-1 is a FLOW_CONTROL_ERROR", () => {
    const run = connected();
    run.feed(windowUpdate(0, 0x7fff_ffff));
    assert.deepEqual(frameNames(run.output.takeFrames()), [`goAway ${ErrorCode.flowControlError}`]);
  });

  it("a stream's window over 2^31-1 by SETTINGS is a FLOW_CONTROL_ERROR", () => {
    const run = connected();
    run.feed(headers(1, post), windowUpdate(1, 0x7fff_0000));
    run.feed(settings([[Setting.initialWindowSize, 0x7fff_ffff]]));
    assert.deepEqual(frameNames(run.output.takeFrames()), [`goAway ${ErrorCode.flowControlError}`]);
  });

  it("more DATA than the stream's window is refused", () => {
    const run = connected({ initialStreamWindowSize: 65_535 });
    run.feed(headers(1, post));
    run.streams[0]?.stream.pause();
    for (let left = 4; left > 0; left--) run.feed(data(1, Buffer.alloc(16_384)));
    assert.match(run.streams[0]?.log.lines.at(-1) ?? "", /^reset protocol/);
  });

  it("more DATA than the connection's window, over several streams, breaks it", () => {
    const run = connected({ initialConnectionWindowSize: 65_535 });
    for (let index = 0; index < 4; index++) {
      run.feed(headers(id(index), post));
      run.streams[index]?.stream.pause();
      run.feed(data(id(index), Buffer.alloc(16_384)));
    }
    assert.deepEqual(frameNames(run.output.takeFrames()), [`goAway ${ErrorCode.flowControlError}`]);
  });

  it("DATA for a stream that we reset counts, and the window comes back", () => {
    const run = connected({ initialConnectionWindowSize: 65_535 });
    run.feed(headers(1, post));
    run.streams[0]?.stream.reset("local");
    for (let left = 40; left > 0; left--) run.feed(data(1, Buffer.alloc(16_384)));
    assert.equal(run.broken, undefined);
  });

  it("hundreds of settings in a frame, each of them to be applied to every stream, are too many", () => {
    const run = connected();
    run.feed(times(1000, (index) => headers(id(index), post)));
    const pairs = Array.from(
      { length: 33 },
      (_, index) => [Setting.initialWindowSize, index] as const,
    );
    run.feed(settings(pairs.slice(0, 32)));
    assert.equal(run.broken, undefined);
    run.feed(settings(pairs));
    assert.equal(run.broken, Detail.tooManySettings);
  });
});

describe("frames", () => {
  const cases: readonly (readonly [title: string, attack: Uint8Array, code: number])[] = [
    ["over 16 KiB", frame(0x42, 0, 0, Buffer.alloc(16_385)), ErrorCode.frameSizeError],
    ["PUSH_PROMISE", frame(5, 4, 1, Buffer.alloc(4)), ErrorCode.protocolError],
    ["SETTINGS on a stream", frame(4, 0, 1, Buffer.alloc(0)), ErrorCode.protocolError],
    ["SETTINGS of 5 octets", frame(4, 0, 0, Buffer.alloc(5)), ErrorCode.frameSizeError],
    ["PING of 7 octets", frame(6, 0, 0, Buffer.alloc(7)), ErrorCode.frameSizeError],
    ["GOAWAY of 7 octets", frame(7, 0, 0, Buffer.alloc(7)), ErrorCode.frameSizeError],
    ["HEADERS on stream 0", headers(0, get), ErrorCode.protocolError],
    ["HEADERS on an even stream", headers(2, get), ErrorCode.protocolError],
    ["CONTINUATION of nothing", continuation(1, get), ErrorCode.protocolError],
    [
      "another frame within a field block",
      Buffer.concat([headers(1, get, { more: true }), ping]),
      ErrorCode.protocolError,
    ],
    [
      "more padding than payload",
      frame(1, 0x0d, 1, Buffer.from([9, 0x82])),
      ErrorCode.protocolError,
    ],
  ];
  for (const [title, attack, code] of cases) {
    it(`${title} end the connection`, () => {
      const run = connected();
      run.feed(attack, headers(3, get, { end: true }));
      assert.deepEqual(frameNames(run.output.takeFrames()), [`goAway ${code}`]);
      assert.equal(run.streams.length, 0);
    });
  }

  it("of unknown types cost nothing", () => {
    const run = connected({ onEnd: answerEmpty });
    run.feed(times(100_000, () => frame(0x42, 0xff, 7, Buffer.alloc(0))));
    run.feed(headers(1, get, { end: true }));
    assert.deepEqual(frameNames(run.output.takeFrames()), ["headers"]);
  });
});

describe("a hostile server", () => {
  const serverBegin = settings([]);
  const ok = Buffer.of(0x88);

  function requested(end = true): ClientRun {
    const run = new ClientRun();
    run.feed(serverBegin);
    run.request("GET", end);
    run.output.take();
    return run;
  }

  const fatal: readonly (readonly [title: string, attack: Uint8Array, code: number])[] = [
    ["pushes", frame(5, 4, 1, Buffer.concat([Buffer.from([0, 0, 0, 2]), get])), 1],
    ["answers what was not asked", headers(3, ok, { end: true }), 1],
    ["answers on a stream of its own", headers(2, ok, { end: true }), 1],
    ["sends DATA before its head", data(1, "x"), 1],
    ["enables push", settings([[Setting.enablePush, 1]]), 1],
    ["floods with PING", times(1001, () => ping), ErrorCode.enhanceYourCalm],
    [
      "floods with empty DATA",
      Buffer.concat([headers(1, ok), data(1, ""), data(1, "")]),
      ErrorCode.enhanceYourCalm,
    ],
    ["sends a bad field block", headers(1, Buffer.of(0x80)), ErrorCode.compressionError],
    ["sends no status", headers(1, literal("x-a", "1")), 1],
    ["sends 101", headers(1, literal(":status", "101")), 1],
  ];
  for (const [title, attack, code] of fatal) {
    it(`that ${title} loses the connection, and its request is told once`, () => {
      const run = requested();
      run.feed(attack);
      assert.notEqual(run.broken, undefined);
      assert.equal(frameNames(run.output.takeFrames()).at(-1), `goAway ${code}`);
      assert.equal(run.done, 1);
      assert.equal(run.text().match(/reset protocol/g)?.length, 1);
    });
  }

  it("that sends too many fields loses the stream", () => {
    const run = requested();
    const many = Array.from({ length: 101 }, (_, i) => [`x-${i}`, "1"] as const);
    run.feed(headers(1, Buffer.concat([ok, literals(many)]), { end: true }));
    assert.equal(run.broken, undefined);
    assert.match(run.text(), /reset overflow/);
  });
});

describe("SETTINGS are the first that a server says", () => {
  const first: readonly (readonly [title: string, say: (run: ServerRun) => void])[] = [
    ["a client's octet", (run) => run.codec.feed(Buffer.from("P"))],
    ["PING", (run) => run.codec.ping()],
    ["GOAWAY", (run) => run.codec.goAway()],
    ["the notice of a GOAWAY", (run) => run.codec.noticeGoAway()],
  ];
  for (const [title, say] of first) {
    it(`before ${title}`, () => {
      const run = new ServerRun();
      say(run);
      run.output.endEvent();
      assert.equal(frameNames(run.output.takeFrames())[0], "settings");
    });
  }
});
