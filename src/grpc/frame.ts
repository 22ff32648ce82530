import type { gzipSync } from "node:zlib";

const prefixLength = 5;

/**
 * A Length-Prefixed-Message: a byte that says whether it is compressed, four bytes of length, the message. `gzip` compresses it; who never
 * does need not load zlib.
 */
export function frameMessage(message: Uint8Array, gzip?: typeof gzipSync): Uint8Array {
  const body = gzip?.(message) ?? message;
  const framed = Buffer.allocUnsafe(prefixLength + body.length);
  framed[0] = gzip === undefined ? 0 : 1;
  framed.writeUInt32BE(body.length, 1);
  framed.set(body, prefixLength);
  return framed;
}

/** Below this, copying costs less than another DATA frame. */
const copiedMax = 16_384;

/** A message in pieces: large ones are not copied. */
export function framePieces(
  pieces: readonly Uint8Array[],
  gzip?: typeof gzipSync,
): readonly Uint8Array[] {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (gzip !== undefined || length <= copiedMax) return [frameMessage(Buffer.concat(pieces), gzip)];
  const prefix = Buffer.alloc(prefixLength);
  prefix.writeUInt32BE(length, 1);
  return [prefix, ...pieces];
}
