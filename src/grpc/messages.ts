import { gunzipSync } from "node:zlib";
import { GrpcCode, GrpcError } from "./status.ts";

const prefixLength = 5;

export type MessageEncoding = "identity" | "gzip";

/** The encodings that can be read, as grpc-accept-encoding says it. */
export const acceptedEncodings = "identity,gzip";

export function encodingOf(value: string | undefined): MessageEncoding | undefined {
  if (value === undefined || value === "identity") return "identity";
  return value === "gzip" ? "gzip" : undefined;
}

/** Cuts a body into messages, wherever its chunks are cut. Holds one incomplete message of at most `messageBytesMax` at a time. */
export class MessageReader {
  readonly #messageBytesMax: number;
  readonly #onMessage: (message: Uint8Array) => void;
  encoding: MessageEncoding = "identity";
  readonly #prefix = Buffer.alloc(prefixLength);
  #prefixRead = 0;
  #body: Uint8Array | undefined;
  #bodyRead = 0;

  constructor(messageBytesMax: number, onMessage: (message: Uint8Array) => void) {
    this.#messageBytesMax = messageBytesMax;
    this.#onMessage = onMessage;
  }

  /** The body ends in the middle of a message. */
  get incomplete(): boolean {
    return this.#prefixRead > 0;
  }

  /** Throws GrpcError when the body is not a sequence of messages, or one is too large. */
  feed(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === undefined) at += this.#readPrefix(chunk, at);
      else at += this.#readBody(this.#body, chunk, at);
    }
  }

  #readPrefix(chunk: Uint8Array, at: number): number {
    const count = Math.min(prefixLength - this.#prefixRead, chunk.length - at);
    this.#prefix.set(chunk.subarray(at, at + count), this.#prefixRead);
    this.#prefixRead += count;
    if (this.#prefixRead < prefixLength) return count;
    const length = this.#prefix.readUInt32BE(1);
    if (length > this.#messageBytesMax)
      throw new GrpcError(
        GrpcCode.resourceExhausted,
        `received message of ${length} bytes, more than the maximum of ${this.#messageBytesMax}`,
      );
    this.#body = new Uint8Array(length);
    this.#bodyRead = 0;
    if (length === 0) this.#finish(this.#body);
    return count;
  }

  #readBody(body: Uint8Array, chunk: Uint8Array, at: number): number {
    const count = Math.min(body.length - this.#bodyRead, chunk.length - at);
    body.set(chunk.subarray(at, at + count), this.#bodyRead);
    this.#bodyRead += count;
    if (this.#bodyRead === body.length) this.#finish(body);
    return count;
  }

  #finish(body: Uint8Array): void {
    this.#body = undefined;
    this.#prefixRead = 0;
    const flag = this.#prefix[0];
    if (flag === 0) this.#onMessage(body);
    else if (flag === 1 && this.encoding === "gzip") this.#onMessage(this.#decompress(body));
    else
      throw new GrpcError(
        GrpcCode.internal,
        flag === 1 ? "compressed message without grpc-encoding" : `compression flag ${flag}`,
      );
  }

  #decompress(body: Uint8Array): Uint8Array {
    try {
      return gunzipSync(body, { maxOutputLength: Math.max(1, this.#messageBytesMax) });
    } catch (cause) {
      throw notDecompressed(this.#messageBytesMax, cause);
    }
  }
}

function notDecompressed(messageBytesMax: number, cause: unknown): GrpcError {
  return cause instanceof RangeError
    ? new GrpcError(
        GrpcCode.resourceExhausted,
        `received message larger than the maximum of ${messageBytesMax} when decompressed`,
        { cause },
      )
    : new GrpcError(GrpcCode.internal, "received message is not gzip", { cause });
}
