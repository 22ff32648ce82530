/** HTTP/2 frames by hand, good and bad, and what a codec wrote read back. */

import { clientPreface, ErrorCode, Flag, FrameType, frameHeadSize } from "#http/h2/frames.ts";
import { HpackEncoder } from "#http/h2/hpack-encoder.ts";
import type { Field } from "./header-stories.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

const none = Buffer.alloc(0);

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(frameHeadSize);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function settings(pairs: readonly (readonly [setting: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  pairs.forEach(([setting, value], i) => {
    payload.writeUInt16BE(setting, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  });
  return frame(FrameType.settings, 0, 0, payload);
}

export const settingsAck: Buffer = frame(FrameType.settings, Flag.ack, 0, none);
export const ping: Buffer = frame(FrameType.ping, 0, 0, Buffer.alloc(8));

export function data(streamId: number, payload: string | Uint8Array, end = false): Buffer {
  return frame(FrameType.data, end ? Flag.endStream : 0, streamId, Buffer.from(payload));
}

export function rstStream(streamId: number, code: number = ErrorCode.cancel): Buffer {
  return frame(FrameType.rstStream, 0, streamId, uint32(code));
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(FrameType.windowUpdate, 0, streamId, uint32(increment));
}

/** Depends on stream 0, weight 16. */
export function priority(streamId: number): Buffer {
  return frame(FrameType.priority, 0, streamId, Buffer.from([0, 0, 0, 0, 15]));
}

export function goAway(lastStreamId: number, code: number): Buffer {
  return frame(FrameType.goAway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code)]));
}

export interface BlockOptions {
  readonly end?: boolean;
  /** Without END_HEADERS: CONTINUATION must follow. */
  readonly more?: boolean;
}

export function headers(streamId: number, block: Uint8Array, options: BlockOptions = {}): Buffer {
  const end = options.end === true ? Flag.endStream : 0;
  return frame(FrameType.headers, end | (options.more ? 0 : Flag.endHeaders), streamId, block);
}

export function continuation(streamId: number, piece: Uint8Array, more = false): Buffer {
  return frame(FrameType.continuation, more ? 0 : Flag.endHeaders, streamId, piece);
}

/** Field blocks of one connection. */
export class Blocks {
  readonly #encoder: HpackEncoder = new HpackEncoder({ tableSizeMax: 4096 });

  encode(fields: readonly Field[]): Buffer {
    const room = fields.reduce((sum, field) => sum + this.#encoder.fieldBytesMax(...field), 20);
    const target = Buffer.alloc(room);
    let at = this.#encoder.begin(target, 0);
    for (const [name, value] of fields) at = this.#encoder.field(target, at, name, value);
    return target.subarray(0, at);
  }
}

/** One literal without indexing and without Huffman code: no state, any octets. */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), plainString(name), plainString(value)]);
}

function plainString(text: string): Buffer {
  const length: number[] = [];
  let rest = text.length - 127;
  if (rest < 0) length.push(text.length);
  else {
    length.push(127);
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text, "latin1")]);
}

export const getFields: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "h"],
];
export const postFields: readonly Field[] = [[":method", "POST"], ...getFields.slice(1)];

/** `fields` as literals without state, so that a block can be sent on any connection at any time. */
export function literals(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => literal(name, value)));
}

/** The preface and SETTINGS without a setting. */
export const clientBegin: Buffer = Buffer.concat([clientPreface, settings([])]);

/** Whole frames only; throws on a frame cut short, which a codec never writes. */
export function parseFrames(bytes: Uint8Array): Frame[] {
  const buffer = Buffer.from(bytes);
  const frames: Frame[] = [];
  for (let at = 0; at < buffer.length; ) {
    const start = at + frameHeadSize;
    const end = start + buffer.readUIntBE(at, 3);
    if (end > buffer.length) throw new Error(`a frame of ${end - start} octets is cut short`);
    frames.push({
      type: buffer.readUInt8(at + 3),
      flags: buffer.readUInt8(at + 4),
      streamId: buffer.readUInt32BE(at + 5),
      payload: buffer.subarray(start, end),
    });
    at = end;
  }
  return frames;
}

export const get: Buffer = literals(getFields);
export const post: Buffer = literals(postFields);

/** The client's streams. */
export function id(index: number): number {
  return 2 * index + 1;
}

export function times(count: number, make: (index: number) => Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
}
