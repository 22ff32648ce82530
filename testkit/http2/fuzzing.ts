import assert from "node:assert/strict";
import { Flag, FrameType, Setting } from "#http/h2/frames.ts";
import { HpackDecoder } from "#http/h2/hpack-decoder.ts";
import { Http2ServerCodec } from "#http/h2/server.ts";
import { HeaderList } from "#http/headers.ts";
import { type OutgoingStream, ResponseHead, type ResponseStream } from "#http/message.ts";
import { eachInput, type FuzzOptions, type FuzzRandom } from "../fuzz-inputs.ts";
import {
  answerEmpty,
  ClientRun,
  frameNames,
  ServerRun,
  type ServerRunOptions,
} from "./codec-log.ts";
import {
  Blocks,
  clientBegin,
  continuation,
  data,
  type Frame,
  frame,
  goAway,
  headers,
  id,
  literals,
  parseFrames,
  ping,
  priority,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from "./frames.ts";
import { type Field, requestFields } from "./header-stories.ts";

const streams = 4;
const noPayload = Buffer.alloc(0);
const whole = (bytes: Buffer): readonly Buffer[] => [bytes];

/** What a client sends in good order: requests with bodies and trailers in turn, and control frames between them. */
function clientFrames(random: FuzzRandom): Buffer[] {
  const blocks = new Blocks();
  const frames: Buffer[] = [settings([]), settingsAck];
  for (let index = 0; index < streams; index++) {
    const end = random.below(2) === 0;
    const block = blocks.encode(requestFields(random));
    frames.push(...splitBlock(random, id(index), block, end));
    if (!end) frames.push(...body(random, blocks, id(index)));
    if (random.below(2) === 0) frames.push(control(random));
  }
  return frames;
}

/** What a server sends to a client that has asked `streams` times. */
function serverFrames(random: FuzzRandom): Buffer[] {
  const blocks = new Blocks();
  const frames: Buffer[] = [settings([]), settingsAck];
  for (let index = 0; index < streams; index++) {
    const end = random.below(3) === 0;
    if (random.below(4) === 0) frames.push(headers(id(index), blocks.encode([[":status", "103"]])));
    const fields: Field[] = [
      [":status", random.pick(["200", "204", "404", "304"])],
      ["x-a", "1"],
    ];
    frames.push(...splitBlock(random, id(index), blocks.encode(fields), end));
    if (!end) frames.push(...body(random, blocks, id(index)));
    if (random.below(2) === 0) frames.push(control(random));
  }
  return frames;
}

function splitBlock(random: FuzzRandom, streamId: number, block: Buffer, end: boolean): Buffer[] {
  if (random.below(3) > 0) return [headers(streamId, block, { end })];
  const at = random.below(block.length + 1);
  return [
    headers(streamId, block.subarray(0, at), { end, more: true }),
    continuation(streamId, block.subarray(at)),
  ];
}

function body(random: FuzzRandom, blocks: Blocks, streamId: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let left = random.below(4); left > 0; left--)
    frames.push(data(streamId, Buffer.alloc(random.below(40), "d")));
  if (random.below(3) === 0)
    frames.push(headers(streamId, blocks.encode([["x-trailer", "1"]]), { end: true }));
  else frames.push(data(streamId, "last", true));
  return frames;
}

function control(random: FuzzRandom): Buffer {
  const streamId = id(random.below(streams));
  switch (random.below(9)) {
    case 0:
      return ping;
    case 1:
      return settings([[Setting.initialWindowSize, random.pick([0, 1, 10, 65_535, 0x7fff_ffff])]]);
    case 2:
      return settings([[random.below(10), random.below(20_000)]]);
    case 3:
      return windowUpdate(random.pick([0, streamId]), random.pick([0, 1, 1000, 0x7fff_ffff]));
    case 4:
      return priority(streamId);
    case 5:
      return rstStream(streamId, random.below(14));
    case 6:
      return goAway(streamId, 0);
    case 7:
      return frame(random.below(12), random.below(256), streamId, Buffer.alloc(random.below(10)));
    default:
      return headers(streamId, literals([["x-late", "1"]]), { end: true });
  }
}

/** Frames out of order, repeated, missing or changed, and now and then octets among them. */
function mutate(random: FuzzRandom, frames: readonly Buffer[]): Buffer {
  let mutated = [...frames];
  for (let left = random.below(4); left > 0; left--) mutated = mutateFrames(random, mutated);
  const bytes = Buffer.concat(mutated);
  if (random.below(3) > 0 || bytes.length === 0) return bytes;
  const at = random.below(bytes.length);
  bytes[at] = random.below(256);
  return random.below(4) === 0 ? bytes.subarray(0, at) : bytes;
}

function mutateFrames(random: FuzzRandom, frames: Buffer[]): Buffer[] {
  // The first is SETTINGS, without which there is no connection.
  const at = 1 + random.below(frames.length);
  const chosen = frames[Math.min(at, frames.length - 1)] ?? ping;
  switch (random.below(6)) {
    case 0:
      return frames.toSpliced(at, 1);
    case 1:
      return frames.toSpliced(at, 0, random.pick(frames));
    case 2:
      return frames.toSpliced(at, 0, control(random));
    case 3:
      return frames.toSpliced(at, 1, changed(random, chosen));
    case 4:
      return frames.toSpliced(at, 1).toSpliced(random.below(frames.length), 0, chosen);
    default:
      return frames.toSpliced(at, 0, chosen);
  }
}

function changed(random: FuzzRandom, bytes: Buffer): Buffer {
  const [first] = parseFrames(bytes);
  if (first === undefined) return bytes;
  const { type, flags, streamId, payload } = first;
  switch (random.below(5)) {
    case 0:
      return frame(type, flags ^ (1 << random.below(6)), streamId, payload);
    case 1:
      return frame(type, flags, id(random.below(streams + 1)), payload);
    case 2:
      return frame(random.below(11), flags, streamId, payload);
    case 3:
      return frame(type, flags | Flag.padded, streamId, padded(random, payload));
    default:
      return frame(type, flags, streamId, payload.subarray(random.below(payload.length + 1)));
  }
}

function padded(random: FuzzRandom, payload: Buffer): Buffer {
  const length = random.below(20);
  return Buffer.concat([Buffer.of(length), payload, Buffer.alloc(random.below(4) ? length : 0)]);
}

/** In up to four pieces, or octet by octet. */
function cut(random: FuzzRandom, bytes: Buffer): Buffer[] {
  if (random.below(8) === 0) return Array.from(bytes, (octet) => Buffer.of(octet));
  const places = Array.from({ length: 1 + random.below(3) }, () => random.below(bytes.length + 1));
  const ends = [...places.sort((a, b) => a - b), bytes.length];
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

/** What our side does between two stretches of bytes. */
interface Step {
  readonly bytes: Buffer;
  readonly action: number;
  /** The stream it is done to. */
  readonly index: number;
}

function steps(random: FuzzRandom, bytes: Buffer): Step[] {
  const places = Array.from({ length: random.below(4) }, () => random.below(bytes.length + 1));
  const ends = [...places.sort((a, b) => a - b), bytes.length];
  return ends.map((end, i) => ({
    bytes: bytes.subarray(ends[i - 1] ?? 0, end),
    action: random.below(8),
    index: random.below(streams),
  }));
}

function act(run: ServerRun | ClientRun, stream: OutgoingStream | undefined, action: number): void {
  const { codec } = run;
  switch (action) {
    case 0:
      codec.onUnwritable();
      break;
    case 1:
      codec.onWritable();
      break;
    case 2:
      stream?.reset("local");
      break;
    case 3:
      stream?.resume();
      break;
    case 4:
      stream?.sendData(Buffer.from("more"), true);
      break;
    case 5:
      codec.ping();
      break;
    case 6:
      if (codec instanceof Http2ServerCodec) codec.noticeGoAway();
      break;
    default:
      if (codec instanceof Http2ServerCodec) codec.goAway();
  }
  run.output.endEvent();
}

const bodyAnswer = Buffer.alloc(100_000, "b");

/** More than the windows take, and trailers after it. */
function answerLong(stream: ResponseStream): void {
  stream.sendHead(new ResponseHead(200, HeaderList.of({ "x-a": "1" })), false);
  stream.sendData(bodyAnswer, false);
  stream.sendTrailers(HeaderList.of({ "x-trailer": "1" }));
}

/** Head and trailers that do not fit into a frame. */
function answerLarge(stream: ResponseStream): void {
  stream.sendHead(new ResponseHead(200, HeaderList.of({ "x-a": "a".repeat(20_000) })), false);
  stream.sendTrailers(HeaderList.of({ "x-b": "b".repeat(40_000) }));
}

/** Hostile clients: the same events however the bytes are cut, and nothing left behind. */
export async function fuzzServer(options: FuzzOptions): Promise<void> {
  await eachInput(options, (random) => {
    const bytes = Buffer.concat([clientBegin, mutate(random, clientFrames(random))]);
    const paused = random.below(3) === 0;
    const codecOptions: ServerRunOptions = {
      paused,
      fieldsMax: random.pick([8, 100]),
      fieldBytesMax: random.pick([200, 61_440]),
      maxConcurrentStreams: random.pick([2, 1024]),
      // When a window is given back depends on the cuts: only one that never is may be small.
      initialStreamWindowSize: paused ? 50 : 65_535,
      streamErrorOnInvalidMessage: random.below(2) === 0,
      allowConnect: random.below(2) === 0,
      onEnd: random.pick([answerEmpty, answerLong, answerLarge]),
    };
    const story = steps(random, bytes);
    const serve = (pieces: (bytes: Buffer) => readonly Buffer[]) => {
      const run = new ServerRun(codecOptions);
      for (const step of story) {
        for (const piece of pieces(step.bytes)) run.feed(piece);
        act(run, run.streams[step.index]?.stream, step.action);
      }
      const frames = run.output.takeFrames();
      checkBlocks(frames);
      checkEnd(run.broken, frames);
      assert.equal(run.stats.get("streamsActive"), run.codec.active);
      const seen = `${run.text()}\n${told(run.stats.values)}\n${framesText(frames)}`;
      run.codec.onEnd();
      run.output.endEvent();
      assert.equal(run.codec.active, 0);
      assert.equal(run.stats.get("streamsActive"), 0);
      assert.equal(run.stats.get("pendingSendBytes"), 0);
      for (const { log } of run.streams) checkEvents(log.lines);
      return seen;
    };
    assert.equal(
      serve((part) => cut(random, part)),
      serve(whole),
      bytes.toString("hex"),
    );
  });
}

/** Hostile servers, likewise. */
export async function fuzzClient(options: FuzzOptions): Promise<void> {
  await eachInput(options, (random) => {
    const bytes = mutate(random, serverFrames(random));
    const paused = random.below(3) === 0;
    const codecOptions = {
      fieldsMax: random.pick([3, 100]),
      initialStreamWindowSize: paused ? 50 : 65_535,
      streamErrorOnInvalidMessage: random.below(2) === 0,
    };
    const story = steps(random, bytes);
    const ask = (pieces: (bytes: Buffer) => readonly Buffer[]) => {
      const run = new ClientRun(codecOptions);
      for (let index = 0; index < streams; index++) {
        const stream = run.request(index === 1 ? "HEAD" : "GET", index !== 2);
        if (paused) stream.pause();
      }
      for (const step of story) {
        for (const piece of pieces(step.bytes)) run.feed(piece);
        act(run, run.requests[step.index], step.action);
      }
      checkEnd(run.broken, parseFrames(run.output.take().subarray(24)));
      const seen = `${run.text()}\n${told(run.stats.values)}`;
      run.codec.onEnd();
      run.output.endEvent();
      assert.equal(run.codec.active, 0);
      assert.equal(run.done, streams, "each request is over once");
      return seen;
    };
    assert.equal(
      ask((part) => cut(random, part)),
      ask(whole),
      bytes.toString("hex"),
    );
  });
}

/** How many WINDOW_UPDATE frames there are, and where, depends on the cuts. */
function framesText(frames: readonly Frame[]): string {
  return frameNames(frames.filter(({ type }) => type !== FrameType.windowUpdate)).join(" ");
}

function told(counters: ReadonlyMap<string, number>): string {
  return [...counters]
    .filter(([, count]) => count !== 0)
    .map(([name, count]) => `${name} ${count}`)
    .sort()
    .join(", ");
}

/** A broken connection has said so last, and only once. */
function checkEnd(broken: string | undefined, frames: readonly Frame[]): void {
  const at = frames.findIndex(
    ({ type, payload }) => type === FrameType.goAway && payload.readUInt32BE(4) !== 0,
  );
  assert.equal(at, broken === undefined ? -1 : frames.length - 1, broken ?? "not broken");
}

/** What was written is readable: whole field blocks that a decoder takes in this order. */
function checkBlocks(frames: readonly Frame[]): void {
  const decoder = new HpackDecoder({ tableSizeMax: 4096 });
  let block: Buffer = noPayload;
  for (const { type, flags, payload } of frames) {
    if (type !== FrameType.headers && type !== FrameType.continuation) continue;
    block = Buffer.concat([block, payload]);
    if ((flags & Flag.endHeaders) === 0) continue;
    assert.equal(decoder.decode(block, 0, block.length, { onField: () => {} }), undefined);
    block = noPayload;
  }
}

/** A head, perhaps data, and one end: nothing after a reset, and no second end. */
function checkEvents(lines: readonly string[]): void {
  const ends = lines.filter((line) => line === "end" || /^trailers|^reset/.test(line));
  const last = lines.at(-1) ?? "";
  const headEnds = lines[0]?.endsWith(" end") ? 1 : 0;
  const resets = lines.filter((line) => line.startsWith("reset")).length;
  // A reset may come after the request's end, while its answer is under way.
  assert.ok(ends.length - resets + headEnds <= 1 && resets <= 1, lines.join("\n"));
  if (resets === 1) assert.match(last, /^reset/);
}
