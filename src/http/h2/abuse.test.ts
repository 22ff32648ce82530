/** What an attacker sends, byte by byte, and where each limit bites: Envoy's figures, found by running Envoy 1.40. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  answerEmpty,
  connected,
  frameNames,
  type ServerRunOptions,
} from "../../../testkit/http2/codec-log.ts";
import {
  continuation,
  data,
  frame,
  get,
  goAway,
  headers,
  id,
  ping,
  post,
  priority,
  rstStream,
  settings,
  times,
  windowUpdate,
} from "../../../testkit/http2/frames.ts";
import { Detail } from "./details.ts";
import { ErrorCode, FrameType } from "./frames.ts";
import type { Http2Stats } from "./http2-options.ts";

interface Flood {
  readonly title: string;
  readonly options?: ServerRunOptions;
  /** What comes before, and is in order. */
  readonly before?: Uint8Array;
  readonly attack: (index: number) => Uint8Array;
  /** Goes through; one more does not. */
  readonly allowed: number;
  readonly counter: keyof Http2Stats;
  readonly detail: string;
}

const floods: readonly Flood[] = [
  {
    title: "empty DATA frames one after the other",
    before: headers(1, post),
    attack: () => data(1, ""),
    allowed: 1,
    counter: "inboundEmptyFramesFlood",
    detail: Detail.emptyFramesFlood,
  },
  {
    title: "padding around nothing in DATA frames",
    before: headers(1, post),
    attack: () => frame(FrameType.data, 8, 1, Buffer.from([3, 0, 0, 0])),
    allowed: 1,
    counter: "inboundEmptyFramesFlood",
    detail: Detail.emptyFramesFlood,
  },
  {
    title: "empty CONTINUATION frames",
    before: headers(1, get, { more: true }),
    attack: () => continuation(1, Buffer.alloc(0), true),
    allowed: 1,
    counter: "inboundEmptyFramesFlood",
    detail: Detail.emptyFramesFlood,
  },
  {
    title: "PRIORITY frames for no stream",
    attack: () => priority(1),
    allowed: 100,
    counter: "inboundPriorityFramesFlood",
    detail: Detail.priorityFlood,
  },
  {
    title: "PRIORITY frames with a stream open",
    before: headers(1, post),
    attack: () => priority(3),
    allowed: 200,
    counter: "inboundPriorityFramesFlood",
    detail: Detail.priorityFlood,
  },
  {
    title: "WINDOW_UPDATE frames for the connection",
    attack: () => windowUpdate(0, 1),
    allowed: 5,
    counter: "inboundWindowUpdateFramesFlood",
    detail: Detail.windowUpdateFlood,
  },
  {
    title: "WINDOW_UPDATE frames for a stream",
    before: headers(1, post),
    attack: () => windowUpdate(1, 1),
    allowed: 7,
    counter: "inboundWindowUpdateFramesFlood",
    detail: Detail.windowUpdateFlood,
  },
  {
    title: "PING frames in one event",
    attack: () => ping,
    allowed: 1000,
    counter: "outboundControlFlood",
    detail: Detail.controlFlood,
  },
  {
    title: "SETTINGS frames in one event",
    attack: () => settings([]),
    allowed: 1000,
    counter: "outboundControlFlood",
    detail: Detail.controlFlood,
  },
];

describe("floods end the connection, and not a frame earlier than in Envoy", () => {
  for (const flood of floods) {
    it(flood.title, () => {
      for (const count of [flood.allowed, flood.allowed + 1]) {
        const run = connected(flood.options);
        if (flood.before !== undefined) run.feed(flood.before);
        run.output.take();
        run.feed(times(count, flood.attack));
        const over = count > flood.allowed;
        assert.equal(run.broken, over ? flood.detail : undefined);
        assert.equal(run.stats.get(flood.counter), over ? 1 : 0);
        const written = frameNames(run.output.takeFrames());
        if (over) assert.equal(written.at(-1), `goAway ${ErrorCode.enhanceYourCalm}`);
        else assert.ok(!written.some((name) => name.startsWith("goAway")));
      }
    });
  }

  it("frames that are empty now and then are none", () => {
    const run = connected();
    run.feed(headers(1, post));
    run.feed(times(50, () => Buffer.concat([data(1, ""), data(1, "x")])));
    run.feed(data(1, ""), data(1, "", true));
    assert.equal(run.broken, undefined);
    assert.equal(run.streams[0]?.log.lines.at(-1), "end");
  });

  it("WINDOW_UPDATE frames are paid for by DATA sent", () => {
    const run = connected({ onEnd: (stream) => stream.sendData(Buffer.from("x"), true) });
    run.feed(headers(1, get, { end: true }));
    // 5 + 2 × (1 stream + 10 × 1 DATA frame).
    run.feed(times(27, () => windowUpdate(0, 1)));
    assert.equal(run.broken, undefined);
    run.feed(windowUpdate(0, 1));
    assert.equal(run.broken, Detail.windowUpdateFlood);
  });
});

describe("what the attacker does not read", () => {
  const unread: readonly (readonly [
    title: string,
    attack: Uint8Array,
    counter: keyof Http2Stats,
  ])[] = [
    ["PING acknowledgements", ping, "outboundControlFlood"],
    ["SETTINGS acknowledgements", settings([]), "outboundControlFlood"],
  ];
  for (const [title, attack, counter] of unread) {
    it(`${title} over many events`, () => {
      const run = connected();
      run.output.stuck = true;
      run.output.unsent = 1;
      for (let event = 0; event < 1100 && run.broken === undefined; event++) run.feed(attack);
      assert.equal(run.broken, Detail.controlFlood);
      assert.equal(run.stats.get(counter), 1);
    });
  }

  it("RST_STREAM frames for streams over the concurrency", () => {
    const run = connected({ maxConcurrentStreams: 1 });
    run.output.stuck = true;
    run.output.unsent = 1;
    run.feed(headers(1, post));
    for (let event = 1; event < 1100 && run.broken === undefined; event++)
      run.feed(headers(id(event), post));
    assert.equal(run.broken, Detail.controlFlood);
    assert.equal(run.streams.length, 1);
  });

  it("whole answers", () => {
    const run = connected({ onEnd: answerEmpty });
    run.output.stuck = true;
    run.output.unsent = 1;
    let event = 0;
    for (; event < 11_000 && run.broken === undefined; event++)
      run.feed(headers(id(event), get, { end: true }));
    assert.equal(run.broken, Detail.outboundFlood);
    assert.equal(run.stats.get("outboundFlood"), 1);
    // SETTINGS and its acknowledgement never left either.
    assert.ok(event > 9_990, `after ${event}`);
  });

  it("is no flood where the rest is read, however slowly", () => {
    const run = connected({ onEnd: answerEmpty });
    run.output.stuck = true;
    // Two events' output is always on its way: what left is counted by octets, not by an empty queue.
    const sizes: number[] = [];
    for (let event = 0; event < 12_000; event++) {
      run.feed(headers(id(event), get, { end: true }), ping);
      sizes.push(run.output.take().length);
      run.output.unsent = (sizes.at(-1) ?? 0) + (sizes.at(-2) ?? 0);
    }
    assert.equal(run.broken, undefined);
  });
});

describe("rapid reset", () => {
  const openAndReset = (index: number) =>
    Buffer.concat([headers(id(index), get, { end: true }), rstStream(id(index))]);

  it("of 250 streams, younger than a second, ends the connection", () => {
    const run = connected();
    run.feed(times(249, openAndReset));
    assert.equal(run.broken, undefined);
    run.feed(openAndReset(249));
    assert.equal(run.broken, Detail.prematureResets);
    assert.equal(run.stats.get("rxReset"), 250);
    assert.equal(run.stats.get("streamsActive"), 0);
    assert.ok(run.streams.every(({ log }) => log.lines.at(-1)?.startsWith("reset remote-reset")));
  });

  it("is not what a client does that lets most streams end", () => {
    const run = connected({ onEnd: answerEmpty });
    let next = 0;
    for (let round = 0; round < 500; round++) {
      run.feed(headers(id(next++), get, { end: true }));
      run.feed(headers(id(next++), get, { end: true }));
      run.feed(headers(id(next), post), rstStream(id(next)));
      next++;
    }
    assert.equal(run.broken, undefined);
  });

  it("is not what a client does that gives up after a while", () => {
    const run = connected();
    for (let index = 0; index < 600; index++) {
      run.feed(headers(id(index), get, { end: true }));
      run.nowMs += 1000;
      run.feed(rstStream(id(index)));
    }
    assert.equal(run.broken, undefined);
  });

  const provoked: readonly (readonly [title: string, provoke: (streamId: number) => Uint8Array])[] =
    [
      ["WINDOW_UPDATE of 0", (streamId) => windowUpdate(streamId, 0)],
      ["a window over the maximum", (streamId) => windowUpdate(streamId, 0x7fff_ffff)],
      ["DATA after the end", (streamId) => data(streamId, "x")],
      ["a PRIORITY frame of a wrong size", (streamId) => frame(2, 0, streamId, Buffer.alloc(4))],
    ];
  for (const [title, provoke] of provoked) {
    it(`is also to make us reset the streams: ${title}`, () => {
      const run = connected();
      for (let index = 0; index < 300 && run.broken === undefined; index++)
        run.feed(headers(id(index), get, { end: true }), provoke(id(index)));
      assert.equal(run.broken, Detail.prematureResets);
      assert.equal(run.streams.length, 250);
    });
  }
});

describe("streams", () => {
  it("over the concurrency are refused, unseen", () => {
    const run = connected({ maxConcurrentStreams: 2 });
    run.feed(times(3, (index) => headers(id(index), post)));
    assert.equal(run.streams.length, 2);
    assert.deepEqual(frameNames(run.output.takeFrames()), [`rstStream ${ErrorCode.refusedStream}`]);
  });

  it("never opened cannot be reset, widened or written to", () => {
    for (const attack of [rstStream(1), windowUpdate(1, 1), data(1, "x")]) {
      const run = connected();
      run.feed(attack);
      assert.deepEqual(frameNames(run.output.takeFrames()), [`goAway ${ErrorCode.protocolError}`]);
    }
  });

  it("that are over take no events, whatever comes for them", () => {
    const run = connected();
    run.feed(headers(1, post), rstStream(1));
    const before = run.streams[0]?.log.text();
    run.feed(rstStream(1), windowUpdate(1, 1), priority(1));
    assert.equal(run.broken, undefined);
    run.feed(data(1, "x", true), headers(1, get, { end: true }));
    assert.equal(run.streams[0]?.log.text(), before);
  });

  it("go on while the client says GOAWAY, once or a thousand times", () => {
    const run = connected({ onEnd: answerEmpty });
    run.feed(
      headers(1, post),
      times(1000, () => goAway(0, 0)),
      data(1, "x", true),
    );
    assert.deepEqual(frameNames(run.output.takeFrames()), ["headers"]);
  });
});
