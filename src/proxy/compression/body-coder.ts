import type { Transform } from "node:stream";
import { HeaderList } from "#http/headers.ts";
import type { HttpFilter, HttpStream, Replacement, Verdict } from "../filters/http/filter.ts";
import { ResponseFlag } from "../response-flags.ts";
import type { Counter } from "../stats/stats.ts";
import { type Codec, type CodecError, tooLarge } from "./codec.ts";

/** What all bodies of one direction have in common. */
export interface Coding {
  readonly direction: "request" | "response";
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
  /** Of a decompressor: its limits, its errors, and the trailers that say what it did. */
  readonly decodes: Decoding | undefined;
}

export interface Decoding {
  readonly ratioMax: number;
  readonly freeBytes: number;
  readonly trailerIn: string;
  readonly trailerOut: string;
  countError(error: CodecError): void;
}

/** So much is coded on the spot; more goes through the thread pool, for the worker has others to serve. */
const atOnceBytesMax = 16_384;
/** So much may wait for the thread pool before its sender is held back. */
const pendingBytesMax = 65_536;

const noBytes = new Uint8Array(0);

/**
 * A body on its way through a codec. One that came whole is coded on the spot. Any other is consumed piece by piece and goes on when the thread
 * pool has coded it: node:zlib has no way to code pieces synchronously (docs/decisions/compression.md).
 */
export class BodyCoder {
  readonly #codec: Codec;
  readonly #coding: Coding;
  readonly #stream: HttpStream;
  readonly #filter: HttpFilter;
  #pool: Transform | undefined;
  #over = false;
  #in = 0;
  #out = 0;
  /** Lengths of the pieces that wait for the thread pool. */
  readonly #pending: number[] = [];
  #pendingBytes = 0;
  #holdsSender = false;
  #trailers: HeaderList | undefined;

  constructor(codec: Codec, coding: Coding, stream: HttpStream, filter: HttpFilter) {
    this.#codec = codec;
    this.#coding = coding;
    this.#stream = stream;
    this.#filter = filter;
  }

  onData(chunk: Uint8Array, end: boolean): Verdict | Replacement {
    if (this.#over) return "consume";
    this.#countIn(chunk.length);
    if (this.#pool === undefined && end && chunk.length <= atOnceBytesMax) {
      const coded = this.#codeAtOnce(chunk);
      if (coded === undefined) return "consume";
      this.#over = true;
      if (this.#coding.decodes === undefined) return coded;
      this.#sendData(coded, false);
      this.#sendTrailers(this.#report(new HeaderList()));
      return "consume";
    }
    const pool = this.#open();
    if (chunk.length > 0) this.#write(pool, chunk);
    if (end) pool.end();
    return "consume";
  }

  onTrailers(trailers: HeaderList): Verdict {
    if (this.#over) return "consume";
    if (this.#pool !== undefined) {
      this.#trailers = trailers;
      this.#pool.end();
      return "consume";
    }
    // There was no body.
    const coded = this.#codeAtOnce(noBytes);
    if (coded === undefined) return "consume";
    this.#over = true;
    if (coded.length > 0) this.#sendData(coded, false);
    this.#report(trailers);
    return "continue";
  }

  /** The stream is over. */
  close(): void {
    this.#over = true;
    this.#pool?.destroy();
    this.#letSenderGo();
  }

  #codeAtOnce(bytes: Uint8Array): Uint8Array | undefined {
    try {
      const coded = this.#codec.once(bytes, this.#bytesMax);
      this.#countOut(coded.length);
      return coded;
    } catch (error) {
      // Proof: node:zlib throws errors, and of one without a code nothing is known.
      this.#fail(error as CodecError);
      return undefined;
    }
  }

  get #bytesMax(): number {
    const { decodes } = this.#coding;
    if (decodes === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(decodes.freeBytes, decodes.ratioMax * this.#in);
  }

  #open(): Transform {
    if (this.#pool !== undefined) return this.#pool;
    const pool = this.#codec.open();
    this.#pool = pool;
    pool.on("data", (coded: Uint8Array) => this.#onCoded(coded));
    pool.on("end", () => this.#onEnd());
    pool.on("error", (error: NodeJS.ErrnoException) => this.#fail(error));
    return pool;
  }

  #write(pool: Transform, chunk: Uint8Array): void {
    this.#pending.push(chunk.length);
    this.#pendingBytes += chunk.length;
    pool.write(new Uint8Array(chunk), this.#onWritten);
    if (this.#pendingBytes <= pendingBytesMax || this.#holdsSender) return;
    this.#holdsSender = true;
    if (this.#coding.direction === "request") this.#stream.pauseRequest();
    else this.#stream.pauseResponse();
  }

  readonly #onWritten = (): void => {
    this.#pendingBytes -= this.#pending.shift() ?? 0;
    if (this.#pendingBytes <= pendingBytesMax) this.#letSenderGo();
  };

  #letSenderGo(): void {
    if (!this.#holdsSender) return;
    this.#holdsSender = false;
    if (this.#coding.direction === "request") this.#stream.unpauseRequest();
    else this.#stream.unpauseResponse();
  }

  #onCoded(coded: Uint8Array): void {
    if (this.#over) return;
    this.#countOut(coded.length);
    if (this.#out > this.#bytesMax) this.#fail({ code: tooLarge });
    else this.#sendData(coded, false);
  }

  #onEnd(): void {
    if (this.#over) return;
    this.#over = true;
    const { decodes } = this.#coding;
    if (this.#trailers !== undefined) this.#sendTrailers(this.#report(this.#trailers));
    else if (decodes !== undefined) this.#sendTrailers(this.#report(new HeaderList()));
    else this.#sendData(noBytes, true);
  }

  /** What has gone on cannot be called back, and what is missing must not look like the end. */
  #fail(error: CodecError): void {
    if (this.#over) return;
    this.close();
    this.#coding.decodes?.countError(error);
    const { direction } = this.#coding;
    const details = `${direction}_cannot_be_decompressed`;
    if (direction === "response" || this.#stream.info.responseStartMs > 0) {
      this.#stream.abort(details, ResponseFlag.upstreamProtocolError);
      return;
    }
    const isTooLarge = error.code === tooLarge;
    this.#stream.reply({
      status: isTooLarge ? 413 : 400,
      body: isTooLarge ? "Payload Too Large" : "Bad Request",
      details,
    });
  }

  #countIn(length: number): void {
    this.#in += length;
    this.#coding.bytesIn.add(length);
  }

  #countOut(length: number): void {
    this.#out += length;
    this.#coding.bytesOut.add(length);
  }

  #report(trailers: HeaderList): HeaderList {
    const { decodes } = this.#coding;
    if (decodes === undefined) return trailers;
    trailers.add(decodes.trailerIn, String(this.#in));
    trailers.add(decodes.trailerOut, String(this.#out));
    return trailers;
  }

  #sendData(bytes: Uint8Array, end: boolean): void {
    if (this.#coding.direction === "request")
      this.#stream.injectRequestData(this.#filter, bytes, end);
    else this.#stream.injectResponseData(this.#filter, bytes, end);
  }

  #sendTrailers(trailers: HeaderList): void {
    if (this.#coding.direction === "request")
      this.#stream.injectRequestTrailers(this.#filter, trailers);
    else this.#stream.injectResponseTrailers(this.#filter, trailers);
  }
}
