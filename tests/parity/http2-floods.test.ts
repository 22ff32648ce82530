import assert from "node:assert/strict";
import { byHand } from "../../testkit/fake-upstream.ts";
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
  post,
  priority,
  rstStream,
  times,
  windowUpdate,
} from "../../testkit/http2/frames.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  assertAlive,
  assertNoFrame,
  connectHttp2,
  http2,
  send,
  untilFrame,
} from "./harness/http2.ts";

const rst = 3;
const goAwayType = 7;
const enhanceYourCalm = 11;
const empty = Buffer.alloc(0);
/** An entry for the dynamic table, and how often it is then named: by one octet each. */
const bomb = (name: string, value: string, count: number) =>
  Buffer.concat([
    get,
    Buffer.from("40", "hex"),
    literal(name, value).subarray(1),
    Buffer.alloc(count, 0xbe),
  ]);
const openAndReset = (index: number) =>
  Buffer.concat([headers(id(index), get, { end: true }), rstStream(id(index))]);
const request = headers(1, get, { end: true });
const upload = headers(1, post);

interface Limit {
  readonly name: string;
  readonly allowed: Uint8Array;
  /** With this after it, the connection is closed. */
  readonly further: Uint8Array;
  /** 0: Envoy counts floods elsewhere. */
  readonly protocolErrors?: number;
  /** Of the first stream. */
  readonly log?: string;
}

const limits: readonly Limit[] = [
  { name: "100 PRIORITY frames", allowed: times(100, () => priority(1)), further: priority(1) },
  {
    name: "200 PRIORITY frames with a stream",
    allowed: Buffer.concat([request, times(200, () => priority(3))]),
    further: priority(3),
    log: "0 DPE codec_error:Too_many_PRIORITY_frames",
  },
  {
    name: "5 WINDOW_UPDATE frames",
    allowed: times(5, () => windowUpdate(0, 1)),
    further: windowUpdate(0, 1),
  },
  {
    name: "7 WINDOW_UPDATE frames with a stream",
    allowed: Buffer.concat([request, times(7, () => windowUpdate(1, 1))]),
    further: windowUpdate(1, 1),
    log: "0 DPE codec_error:Too_many_WINDOW_UPDATE_frames",
  },
  {
    name: "an empty DATA frame",
    allowed: Buffer.concat([upload, data(1, "")]),
    further: Buffer.concat([data(1, ""), data(1, "")]),
    log: "0 DPE http2.inbound_empty_frames_flood",
  },
  {
    name: "empty DATA frames in turn with others",
    allowed: Buffer.concat([upload, times(20, () => Buffer.concat([data(1, ""), data(1, "x")]))]),
    further: Buffer.concat([data(1, ""), data(1, "")]),
    log: "0 DPE http2.inbound_empty_frames_flood",
  },
  {
    name: "an empty CONTINUATION frame",
    allowed: Buffer.concat([headers(1, get, { more: true, end: true }), continuation(1, empty)]),
    further: Buffer.concat([
      headers(3, get, { more: true }),
      continuation(3, empty, true),
      continuation(3, empty, true),
    ]),
  },
  {
    name: "249 streams opened and reset",
    allowed: times(249, openAndReset),
    further: openAndReset(249),
    protocolErrors: 1,
    log: "0 DR http2.remote_reset",
  },
  {
    name: "5000 frames of an unknown type",
    allowed: times(5000, () => frame(0x42, 0, 0, empty)),
    further: rstStream(1),
    protocolErrors: 1,
  },
];

const limitCases = limits.map(
  ({ name, allowed, further, protocolErrors = 0, log }): ParityCase => ({
    name: `${name}, and no more`,
    config: http2(),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(client, allowed);
      await assertAlive(client);
      await send(client, further);
      await client.ended();
      await t.stats({ "http.{case}.downstream_cx_protocol_error": protocolErrors });
      if (log !== undefined) assert.equal(await t.logLine(), log);
    },
  }),
);

interface Broken {
  readonly name: string;
  readonly attack: Uint8Array;
}

const broken: readonly Broken[] = [
  { name: "an empty field name", attack: Buffer.concat([get, literal("", "x")]) },
  { name: "an upper-case field name", attack: Buffer.concat([get, literal("X-a", "x")]) },
  { name: "connection", attack: Buffer.concat([get, literal("connection", "close")]) },
  { name: "CR LF in a value", attack: Buffer.concat([get, literal("x-a", "1\r\nx-b: 2")]) },
  {
    name: "a pseudo field at the end",
    attack: Buffer.concat([get, literal("x", "1"), literal(":path", "/")]),
  },
  { name: "an index of nothing", attack: Buffer.concat([get, Buffer.from([0xff, 0x70])]) },
  { name: "a size update at the end", attack: Buffer.concat([get, Buffer.of(0x20)]) },
];

const brokenCases = broken.map(
  ({ name, attack }): ParityCase => ({
    name: `a request with ${name} costs the connection, and is not forwarded`,
    config: http2(),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(client, headers(1, attack, { end: true }));
      await client.ended();
      assert.equal(t.upstream().received, "");
    },
  }),
);

const many = Array.from({ length: 97 }, (_, i) => [`x-${i}`, "1"] as const);
const oversized: readonly Broken[] = [
  { name: "101 fields", attack: literals([...getFields, ...many]) },
  { name: "an entry of 3000 octets 30 times", attack: bomb("x-a", "a".repeat(3000), 30) },
  { name: "an entry of 3000 octets 5000 times", attack: bomb("x-a", "a".repeat(3000), 5000) },
  { name: "a crumb of a cookie 5000 times", attack: bomb("cookie", "a=b", 5000) },
];

const oversizedCases = oversized.map(
  ({ name, attack }): ParityCase => ({
    name: `a request with ${name} costs its stream`,
    config: http2(),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(client, headers(1, attack, { end: true }));
      const { streamId, payload } = await untilFrame(client, rst);
      assert.equal(streamId, 1);
      assert.equal(payload.readUInt32BE(0), 2);
      await assertAlive(client);
      assert.equal(t.upstream().received, "");
    },
  }),
);

interface StreamEnd {
  readonly name: string;
  readonly frames: Uint8Array;
  readonly log: string;
  /** The error code of our RST_STREAM, if there is one. */
  readonly reset?: number;
}

const withLength = (length: string) =>
  headers(1, Buffer.concat([post, literal("content-length", length)]));
const streamEnds: readonly StreamEnd[] = [
  {
    name: "a reset by the client",
    frames: Buffer.concat([upload, rstStream(1)]),
    log: "0 DR http2.remote_reset",
  },
  {
    name: "a reset by the client with REFUSED_STREAM",
    frames: Buffer.concat([upload, rstStream(1, 7)]),
    log: "0 DR http2.remote_refuse",
  },
  {
    name: "more DATA than content-length",
    frames: Buffer.concat([withLength("1"), data(1, "xx")]),
    log: "0 DPE http2.remote_reset",
    reset: 1,
  },
  {
    name: "less DATA than content-length",
    frames: Buffer.concat([withLength("5"), data(1, "xx", true)]),
    log: "0 DPE http2.remote_reset",
    reset: 1,
  },
  {
    name: "too many fields in trailers",
    frames: Buffer.concat([upload, headers(1, literals([...many, ...many]), { end: true })]),
    log: "0 DR http2.too_many_headers",
    reset: 2,
  },
];

const streamEndCases = streamEnds.map(
  ({ name, frames, log, reset }): ParityCase => ({
    name: `${name} ends the stream alone`,
    config: http2(),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(client, frames);
      await assertAlive(client);
      if (reset === undefined) assertNoFrame(client, rst);
      else assert.equal((await untilFrame(client, rst)).payload.readUInt32BE(0), reset);
      assert.equal(await t.logLine(), log);
      await t.stats({
        "http.{case}.downstream_rq_rx_reset": 1,
        "http.{case}.downstream_cx_protocol_error": 0,
      });
    },
  }),
);

parityArea("http2-floods", [
  ...limitCases,
  ...brokenCases,
  ...oversizedCases,
  ...streamEndCases,
  {
    name: "100 fields are forwarded",
    config: http2(),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(client, headers(1, literals([...getFields, ...many.slice(1)]), { end: true }));
      await (await t.upstream().connection()).request();
    },
  },
  {
    name: "the limits are those of the configuration",
    config: http2({
      max_inbound_priority_frames_per_stream: 3,
      max_consecutive_inbound_frames_with_empty_payload: 3,
      max_inbound_window_update_frames_per_data_frame_sent: 1,
    }),
    upstream: byHand(),
    run: async (t) => {
      const first = await connectHttp2(t);
      await send(
        first,
        times(3, () => priority(1)),
      );
      await assertAlive(first);
      await send(first, priority(1));
      await first.ended();
      const second = await connectHttp2(t);
      await send(
        second,
        upload,
        times(3, () => data(1, "")),
      );
      await assertAlive(second);
      await send(
        second,
        times(4, () => data(1, "")),
      );
      await second.ended();
    },
  },
  {
    name: "floods are counted",
    config: http2(),
    upstream: byHand(),
    own: {},
    run: async (t) => {
      const floods = [
        ["http2.inbound_priority_frames_flood", times(101, () => priority(1))],
        ["http2.inbound_window_update_frames_flood", times(6, () => windowUpdate(0, 1))],
        ["http2.inbound_empty_frames_flood", Buffer.concat([upload, data(1, ""), data(1, "")])],
        ["http2.rx_messaging_error", headers(1, Buffer.concat([get, literal("", "")]))],
        ["http.{case}.downstream_rq_too_many_premature_resets", times(250, openAndReset)],
      ] as const;
      for (const [counter, attack] of floods) {
        const client = await connectHttp2(t);
        await send(client, attack);
        await client.ended();
        await t.stats({ [counter]: 1 });
      }
      const client = await connectHttp2(t);
      await send(client, headers(1, bomb("x-a", "a".repeat(3000), 30), { end: true }));
      await send(client, headers(3, bomb("cookie", "a=b", 200), { end: true }));
      await t.stats({ "http2.header_list_size_too_large": 1, "http2.header_overflow": 1 });
    },
  },
  {
    name: "a flooded connection is told why",
    config: http2(),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(
        client,
        times(101, () => priority(1)),
      );
      await client.ended();
      assertNoFrame(client, goAwayType);
    },
    heddle: {
      difference: "HTTP/2 connections are told why they end",
      run: async (t) => {
        const client = await connectHttp2(t);
        await send(
          client,
          times(101, () => priority(1)),
        );
        await client.ended();
        const { payload } = await untilFrame(client, goAwayType);
        assert.equal(payload.readUInt32BE(4), enhanceYourCalm);
      },
    },
  },
  {
    name: "a field block in a hundred frames",
    config: http2(),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(client, headers(1, get, { more: true, end: true }));
      await send(
        client,
        times(100, () => continuation(1, literal("x", "1"), true)),
      );
      await send(client, continuation(1, empty));
      await untilFrame(client, rst);
      await assertAlive(client);
    },
    heddle: {
      difference: "HTTP/2 field blocks in very many frames end the connection",
      run: async (t) => {
        const client = await connectHttp2(t);
        await send(client, headers(1, get, { more: true, end: true }));
        await send(
          client,
          times(100, () => continuation(1, literal("x", "1"), true)),
        );
        await client.ended();
        const { payload } = await untilFrame(client, goAwayType);
        assert.equal(payload.readUInt32BE(4), enhanceYourCalm);
      },
    },
  },
  {
    name: "streams over max_concurrent_streams",
    config: http2({ max_concurrent_streams: 2 }),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(
        client,
        times(3, (index) => headers(id(index), post)),
      );
      await client.ended();
    },
    heddle: {
      difference: "HTTP/2 streams over the limit are refused alone",
      run: async (t) => {
        const client = await connectHttp2(t);
        await send(
          client,
          times(3, (index) => headers(id(index), post)),
        );
        const { streamId, payload } = await untilFrame(client, rst);
        assert.equal(streamId, 5);
        assert.equal(payload.readUInt32BE(0), 7);
        await assertAlive(client);
      },
    },
  },
  {
    name: "a stream's window over the maximum",
    config: http2(),
    upstream: byHand(),
    run: async (t) => {
      const client = await connectHttp2(t);
      await send(client, upload, windowUpdate(1, 0x7fff_ffff));
      await client.ended();
    },
    heddle: {
      difference: "HTTP/2 flow-control errors of a stream end the stream",
      run: async (t) => {
        const client = await connectHttp2(t);
        await send(client, upload, windowUpdate(1, 0x7fff_ffff));
        const { streamId, payload } = await untilFrame(client, rst);
        assert.equal(streamId, 1);
        assert.equal(payload.readUInt32BE(0), 3);
        await assertAlive(client);
      },
    },
  },
]);
