import type { ForwardAction } from "../../../route/route.ts";

/** A copy of a request's body, for a request that may have to be sent a second time. */
export class Replay {
  readonly #bytesMax: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #lost = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Returns false from the moment it is longer than may be kept. */
  add(chunk: Uint8Array): boolean {
    if (this.#lost) return false;
    if (chunk.length === 0) return true;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) {
      this.#lost = true;
      this.#chunks = [];
      return false;
    }
    this.#chunks.push(new Uint8Array(chunk));
    return true;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined: it was longer than may be kept. */
  get body(): readonly Uint8Array[] | undefined {
    return this.#lost ? undefined : this.#chunks;
  }
}

/** How much of a request's body is kept for another attempt. */
export function replayLimit(
  { requestBodyBufferLimit, perRequestBufferLimit }: ForwardAction,
  bufferLimit: number,
): number {
  return requestBodyBufferLimit ?? Math.min(perRequestBufferLimit ?? bufferLimit, bufferLimit);
}
