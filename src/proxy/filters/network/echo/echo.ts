import type { Connection } from "#net/connection.ts";
import type { NetworkFilter, NetworkVerdict } from "../filter.ts";

/** Sends back what comes, no faster than the client reads. */
export class Echo implements NetworkFilter {
  readonly #connection: Connection;
  #held = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  onData(chunk: Uint8Array, end: boolean): NetworkVerdict {
    if (chunk.length > 0) this.#connection.write(chunk);
    // As Envoy, which has no half-close here: the client's FIN ends both directions.
    if (end) this.#connection.closeAfterFlush();
    return "park";
  }

  onUnwritable(): void {
    if (this.#held) return;
    this.#held = true;
    this.#connection.pause();
  }

  onWritable(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#connection.resume();
  }
}
