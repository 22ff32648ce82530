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

  add(chunk: Uint8Array): void {
    if (this.#lost || chunk.length === 0) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) {
      this.#lost = true;
      this.#chunks = [];
    } else this.#chunks.push(new Uint8Array(chunk));
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
