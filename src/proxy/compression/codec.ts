import type { Transform } from "node:stream";

/** A compression library with its settings, in one direction: to compress or to decompress. */
export interface Codec {
  /** The content coding: "gzip", "br", "zstd". */
  readonly encoding: string;
  /** How Envoy's stats call it. */
  readonly statName: string;
  /** A whole body at once; throws when it cannot be decoded, or when more than `bytesMax` come of it. */
  once(bytes: Uint8Array, bytesMax: number): Uint8Array;
  /** A body in pieces. What one piece makes comes out before the next is awaited. */
  open(): Transform;
}

/** A codec that decompresses: what comes of a body is limited, and what is wrong with one is counted. */
export interface Decoder extends Codec {
  /** How many times larger than what came it may become. */
  readonly ratioMax: number;
  /** So much is always allowed. */
  readonly freeBytes: number;
  /** Envoy's counters of an error. */
  countersOf(error: CodecError): readonly string[];
}

/** What node:zlib throws; `code` is the library's name of the error. */
export interface CodecError {
  readonly code?: string | undefined;
}

/** More came of a body than its limit: `once` throws it, and so does who counts by itself. */
export const tooLarge = "ERR_BUFFER_TOO_LARGE";
