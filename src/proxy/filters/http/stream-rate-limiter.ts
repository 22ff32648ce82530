import type { HeaderList } from "#http/headers.ts";
import { ByteQueue } from "#lib/byte-queue.ts";
import { Timer, type TimerList } from "#lib/timers.ts";
import type { HttpFilter, HttpStream, Verdict } from "./filter.ts";

/** A token is a byte. */
export interface ByteBucket {
  takeUpTo(bytes: number): number;
}

export interface LimiterOptions {
  readonly stream: HttpStream;
  /** Whose consumed bytes these are. */
  readonly filter: HttpFilter;
  readonly direction: "request" | "response";
  readonly bucket: ByteBucket;
  /** How often the bucket is asked while bytes wait. */
  readonly interval: TimerList;
}

/**
 * One body at the pace of a bucket. What finds no tokens waits here; past the buffer limit the sender is held back until half of it
 * has gone.
 */
export class StreamRateLimiter extends Timer {
  readonly #options: LimiterOptions;
  readonly #waiting = new ByteQueue();
  #end = false;
  #trailers: HeaderList | undefined = undefined;
  #holdsSender = false;

  constructor(options: LimiterOptions) {
    super();
    this.#options = options;
  }

  /** `granted` bytes go on now, `waiting` ones do not. */
  protected onGrant(_granted: number, _waiting: number): void {}

  /** The message ends with what goes on next. */
  protected onEnd(_trailers: HeaderList | undefined): void {}

  /** The verdict on a chunk. */
  data(chunk: Uint8Array, end: boolean): Verdict {
    if (this.#waiting.size > 0) {
      this.#keep(chunk, end);
      return "consume";
    }
    const granted = this.#options.bucket.takeUpTo(chunk.length);
    this.onGrant(granted, chunk.length - granted);
    if (granted === chunk.length) {
      if (end) this.onEnd(undefined);
      return "continue";
    }
    this.#keep(chunk.subarray(granted), end);
    this.#options.interval.arm(this);
    if (granted > 0) this.#pass(chunk.subarray(0, granted), false);
    return "consume";
  }

  trailers(trailers: HeaderList): Verdict {
    if (this.#waiting.size > 0) {
      this.#trailers = trailers;
      return "consume";
    }
    this.onEnd(trailers);
    return "continue";
  }

  onTimer(): void {
    const waiting = this.#waiting;
    let left = this.#options.bucket.takeUpTo(waiting.size);
    this.onGrant(left, waiting.size - left);
    // Each piece may end the stream, which empties the queue.
    while (left > 0 && waiting.size > 0) {
      const piece = waiting.take(left);
      left -= piece.length;
      const end = this.#end && waiting.size === 0;
      if (end) this.onEnd(undefined);
      this.#pass(piece, end);
    }
    if (waiting.size > 0) this.#options.interval.arm(this);
    else if (this.#trailers !== undefined) this.#passTrailers(this.#trailers);
    // Last: the sender may go on at once, and must not overtake.
    if (this.#holdsSender && waiting.size <= this.#options.stream.bufferLimit / 2)
      this.#freeSender();
  }

  /** The stream is over. */
  destroy(): void {
    this.cancel();
    this.#waiting.clear();
    this.#trailers = undefined;
    if (this.#holdsSender) this.#freeSender();
  }

  #keep(chunk: Uint8Array, end: boolean): void {
    this.#waiting.add(chunk);
    this.#end = end;
    if (this.#holdsSender || this.#waiting.size <= this.#options.stream.bufferLimit) return;
    this.#holdsSender = true;
    if (this.#options.direction === "request") this.#options.stream.pauseRequest();
    else this.#options.stream.pauseResponse();
  }

  #freeSender(): void {
    this.#holdsSender = false;
    if (this.#options.direction === "request") this.#options.stream.unpauseRequest();
    else this.#options.stream.unpauseResponse();
  }

  #pass(chunk: Uint8Array, end: boolean): void {
    const { stream, filter, direction } = this.#options;
    if (direction === "request") stream.injectRequestData(filter, chunk, end);
    else stream.injectResponseData(filter, chunk, end);
  }

  #passTrailers(trailers: HeaderList): void {
    const { stream, filter, direction } = this.#options;
    this.#trailers = undefined;
    this.onEnd(trailers);
    if (direction === "request") stream.injectRequestTrailers(filter, trailers);
    else stream.injectResponseTrailers(filter, trailers);
  }
}
