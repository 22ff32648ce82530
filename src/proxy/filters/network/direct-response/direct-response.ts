import type { NetworkFilter, NetworkStream, NetworkVerdict } from "../filter.ts";

/** Writes the same bytes to everybody and closes. */
export class DirectResponse implements NetworkFilter {
  readonly #stream: NetworkStream;
  readonly #response: Uint8Array;

  constructor(stream: NetworkStream, response: Uint8Array) {
    this.#stream = stream;
    this.#response = response;
  }

  onConnect(): NetworkVerdict {
    const { connection, info } = this.#stream;
    info.responseCodeDetails = "direct_response";
    if (this.#response.length > 0) connection.write(this.#response);
    connection.closeAfterFlush();
    return "park";
  }

  onData(): NetworkVerdict {
    return "park";
  }
}
