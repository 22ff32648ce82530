import type { HeaderList } from "#http/headers.ts";
import type { RequestStream } from "#http/message.ts";

const nothing = new Uint8Array(0);

/** A request's body that came before its upstream was there. The router holds the client back when it grows over the buffer limit. */
export class Backlog {
  readonly #chunks: Uint8Array[] = [];
  #trailers: HeaderList | undefined;
  size = 0;
  end = false;
  held = false;

  /** Copies: the chunk is the connection's. */
  add(chunk: Uint8Array | undefined, end: boolean, trailers: HeaderList | undefined): void {
    if (chunk !== undefined && chunk.length > 0) {
      this.#chunks.push(new Uint8Array(chunk));
      this.size += chunk.length;
    }
    this.end = end;
    this.#trailers = trailers;
  }

  /** What is kept elsewhere for as long as this one needs it. */
  take(chunks: readonly Uint8Array[], end: boolean, trailers: HeaderList | undefined): void {
    for (const chunk of chunks) {
      this.#chunks.push(chunk);
      this.size += chunk.length;
    }
    this.end = end;
    this.#trailers = trailers;
  }

  sendTo(upstream: RequestStream): void {
    const last = this.#chunks.length - 1;
    const endsWithData = this.end && this.#trailers === undefined;
    for (const [index, chunk] of this.#chunks.entries())
      upstream.sendData(chunk, endsWithData && index === last);
    if (this.#trailers !== undefined) upstream.sendTrailers(this.#trailers);
    else if (this.end && last === -1) upstream.sendData(nothing, true);
  }
}
