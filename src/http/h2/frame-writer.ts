import { Flag, FrameType, frameHeadSize, frameSizeMax } from "./frames.ts";

/** Where frames go: a connection, or a test. */
export interface FrameSink {
  write(chunk: Uint8Array): boolean;
  /** Call `source.onGather` once at the end of the current event; what it writes is taken before that flush returns. */
  gather(source: { onGather(): void }): void;
  /** Octets that have not left yet. */
  readonly unsent: number;
}

const bufferSize = 64 * 1024;
const sparesMax = 64;
/** A connection has a buffer only from its first frame in an event to the end of that event: idle ones have none. */
const spares: Uint8Array[] = [];
const noBuffer = new Uint8Array(0);

function release(buffer: Uint8Array): void {
  if (buffer.length === bufferSize && spares.length < sparesMax) spares.push(buffer);
}

/** Encodes frames in place, one after the other, and hands them on at the end of the event. */
export class FrameWriter {
  /** Write at `at`, after `reserve`. */
  bytes: Uint8Array = noBuffer;
  at = 0;
  /** Frames that may not have left yet, and of these PING, SETTINGS and RST_STREAM. */
  frames = 0;
  controlFrames = 0;
  /** Handed on in this event. */
  readonly #full: Uint8Array[] = [];
  #handedFrames = 0;
  #handedControlFrames = 0;
  /** Octets handed on, ever. */
  #handed = 0;
  /** What of these had been when `settle` last got there, and the frames up to then: they leave as one. */
  #mark = 0;
  #markedFrames = 0;
  #markedControlFrames = 0;
  readonly #output: FrameSink;
  readonly #source: { onGather(): void };

  constructor(output: FrameSink, source: { onGather(): void }) {
    this.#output = output;
    this.#source = source;
  }

  /** Room for `size` more octets. */
  reserve(size: number): void {
    if (this.at + size > this.bytes.length) this.#makeRoom(size);
  }

  #makeRoom(size: number): void {
    if (this.bytes === noBuffer) this.#output.gather(this.#source);
    else {
      this.#handed += this.at;
      if (this.at > 0) this.#output.write(this.bytes.subarray(0, this.at));
      this.#full.push(this.bytes);
      this.at = 0;
    }
    this.bytes =
      size > bufferSize ? new Uint8Array(size) : (spares.pop() ?? new Uint8Array(bufferSize));
  }

  /** Count no more what has left. An output that is never empty is not stuck: its octets say how far it is. */
  settle(): void {
    const { unsent } = this.#output;
    if (unsent === 0) {
      this.#markedFrames = this.#handedFrames;
      this.#markedControlFrames = this.#handedControlFrames;
    } else if (this.#handed - unsent < this.#mark) return;
    this.frames -= this.#markedFrames;
    this.controlFrames -= this.#markedControlFrames;
    this.#handedFrames -= this.#markedFrames;
    this.#handedControlFrames -= this.#markedControlFrames;
    this.#markedFrames = this.#handedFrames;
    this.#markedControlFrames = this.#handedControlFrames;
    this.#mark = this.#handed;
  }

  /** At the end of the event. */
  handOver(): void {
    this.#handedFrames = this.frames;
    this.#handedControlFrames = this.controlFrames;
    const { bytes, at } = this;
    this.bytes = noBuffer;
    this.at = 0;
    this.#handed += at;
    if (at > 0) this.#output.write(bytes.subarray(0, at));
    this.#full.push(bytes);
  }

  /** Give the buffers back. Nobody may encode into them before the output has taken what they hold: nothing else runs until then. */
  release(): void {
    for (let full = this.#full.pop(); full !== undefined; full = this.#full.pop()) release(full);
  }

  /** The head of a frame whose payload of `length` the caller writes next; room for both must be reserved. */
  head(type: number, flags: number, streamId: number, length: number): void {
    this.#headAt(this.at, type, flags, streamId, length);
    this.at += frameHeadSize;
  }

  #headAt(at: number, type: number, flags: number, streamId: number, length: number): void {
    const bytes = this.bytes;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = streamId >>> 24;
    bytes[at + 6] = streamId >>> 16;
    bytes[at + 7] = streamId >>> 8;
    bytes[at + 8] = streamId;
    this.frames++;
  }

  uint16(value: number): void {
    this.bytes[this.at] = value >>> 8;
    this.bytes[this.at + 1] = value;
    this.at += 2;
  }

  uint32(value: number): void {
    const { bytes, at } = this;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.at = at + 4;
  }

  octets(source: Uint8Array): void {
    this.bytes.set(source, this.at);
    this.at += source.length;
  }

  /** One DATA frame; the caller has split what is too large for one. */
  data(streamId: number, payload: Uint8Array, end: boolean): void {
    this.reserve(frameHeadSize + payload.length);
    this.head(FrameType.data, end ? Flag.endStream : 0, streamId, payload.length);
    if (payload.length > 0) this.octets(payload);
  }

  rstStream(streamId: number, code: number): void {
    this.reserve(frameHeadSize + 4);
    this.controlFrames++;
    this.head(FrameType.rstStream, 0, streamId, 4);
    this.uint32(code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.reserve(frameHeadSize + 4);
    this.head(FrameType.windowUpdate, 0, streamId, 4);
    this.uint32(increment);
  }

  settings(pairs: readonly (readonly [setting: number, value: number])[]): void {
    this.reserve(frameHeadSize + 6 * pairs.length);
    this.controlFrames++;
    this.head(FrameType.settings, 0, 0, 6 * pairs.length);
    for (const [setting, value] of pairs) {
      this.uint16(setting);
      this.uint32(value);
    }
  }

  settingsAck(): void {
    this.reserve(frameHeadSize);
    this.controlFrames++;
    this.head(FrameType.settings, Flag.ack, 0, 0);
  }

  ping(payload: Uint8Array, ack: boolean): void {
    this.reserve(frameHeadSize + 8);
    this.controlFrames++;
    this.head(FrameType.ping, ack ? Flag.ack : 0, 0, 8);
    this.octets(payload);
  }

  goAway(lastStreamId: number, code: number): void {
    this.reserve(frameHeadSize + 8);
    this.head(FrameType.goAway, 0, 0, 8);
    this.uint32(lastStreamId);
    this.uint32(code);
  }

  /**
   * The frames of a field block that was encoded in place at `start + frameHeadSize`, ending before `end`; `start` is `at`. RFC 9113
   * §4.3: HEADERS, and CONTINUATION for what does not fit.
   */
  fieldBlock(streamId: number, end: number, endStream: boolean): void {
    const start = this.at;
    const length = end - start - frameHeadSize;
    const flags = endStream ? Flag.endStream : 0;
    if (length <= frameSizeMax) {
      this.#headAt(start, FrameType.headers, flags | Flag.endHeaders, streamId, length);
      this.at = end;
      return;
    }
    const block = this.bytes.slice(start + frameHeadSize, end);
    for (let from = 0; from < length; from += frameSizeMax) {
      const piece = block.subarray(from, from + frameSizeMax);
      const last = from + frameSizeMax >= length ? Flag.endHeaders : 0;
      this.reserve(frameHeadSize + piece.length);
      if (from === 0) this.head(FrameType.headers, flags | last, streamId, piece.length);
      else this.head(FrameType.continuation, last, streamId, piece.length);
      this.octets(piece);
    }
  }
}
