import { Flag, FrameType, frameHeadSize, frameSizeMax, readUint24, readUint31 } from "./frames.ts";

/** Takes frames. Payloads are bytes[start, end), valid during the call. */
export interface FrameHandler {
  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** A DATA frame without padding whose payload of `length` octets follows in parts. */
  onDataStart(flags: number, streamId: number, length: number): void;
  onDataPart(bytes: Uint8Array, start: number, end: number, last: boolean): void;
  /** RFC 9113 §4.2. Nothing more is read. */
  onFrameTooLarge(type: number, streamId: number): void;
}

/**
 * Cuts a byte stream into frames, wherever the chunks are cut. A frame that lies whole in a chunk is not copied, and DATA never is;
 * of another that does not, the part that is there is kept until the rest comes: at most one frame.
 */
export class FrameReader {
  readonly #handler: FrameHandler;
  #stopped = false;
  /** Of the DATA frame that is being handed on in parts. */
  #dataLeft = 0;
  /** The begin of a frame that is not whole yet. */
  #held: Uint8Array | undefined = undefined;
  #heldSize = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Read nothing more, not even the rest of the chunk at hand. */
  stop(): void {
    this.#stopped = true;
    this.#held = undefined;
  }

  feed(input: Uint8Array, start: number): void {
    let at = start;
    while (this.#held !== undefined && at < input.length) at = this.#fillHeld(input, at);
    const end = input.length;
    while (at < end && !this.#stopped) {
      if (this.#dataLeft > 0) {
        at = this.#readPart(input, at);
        continue;
      }
      const size = end - at < frameHeadSize ? 0 : this.#frame(input, at, end);
      if (size === 0) {
        if (!this.#stopped) this.#hold(input, at);
        return;
      }
      at += size;
    }
  }

  /** Returns the octets used; 0: the frame is not whole. */
  #frame(input: Uint8Array, at: number, end: number): number {
    const length = readUint24(input, at);
    // In range: the whole head is there.
    const type = input[at + 3] as number;
    const flags = input[at + 4] as number;
    const streamId = readUint31(input, at + 5);
    const start = at + frameHeadSize;
    if (length > frameSizeMax) {
      this.stop();
      this.#handler.onFrameTooLarge(type, streamId);
      return 0;
    }
    if (length <= end - start) {
      this.#handler.onFrame(type, flags, streamId, input, start, start + length);
      return frameHeadSize + length;
    }
    if (type !== FrameType.data || (flags & Flag.padded) !== 0) return 0;
    this.#dataLeft = length;
    this.#handler.onDataStart(flags, streamId, length);
    return frameHeadSize;
  }

  #readPart(input: Uint8Array, at: number): number {
    const count = Math.min(this.#dataLeft, input.length - at);
    this.#dataLeft -= count;
    this.#handler.onDataPart(input, at, at + count, this.#dataLeft === 0);
    return at + count;
  }

  #hold(input: Uint8Array, at: number): void {
    const size = input.length - at;
    const whole = size < frameHeadSize ? frameHeadSize : frameHeadSize + readUint24(input, at);
    this.#held = new Uint8Array(whole);
    this.#held.set(input.subarray(at));
    this.#heldSize = size;
  }

  #fillHeld(input: Uint8Array, start: number): number {
    const held = this.#held as Uint8Array;
    const count = Math.min(held.length - this.#heldSize, input.length - start);
    held.set(input.subarray(start, start + count), this.#heldSize);
    this.#heldSize += count;
    if (this.#heldSize < held.length) return start + count;
    this.#held = undefined;
    // Only its head was expected: now its length is known.
    if (this.#frame(held, 0, held.length) === 0 && !this.#stopped) this.#hold(held, 0);
    return start + count;
  }
}
