import type { HeaderList } from "#http/headers.ts";
import type { RequestHead } from "#http/message.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";

export interface BufferSettings {
  /** Undefined: nothing waits here. */
  readonly requestBytesMax: number | undefined;
}

export interface BufferShared {
  readonly filterName: string;
  readonly settings: BufferSettings;
}

/** Lets a request pass when it is whole, so that the upstream gets it at once and with its length. */
export class BufferFilter implements HttpFilter {
  readonly #shared: BufferShared;
  /** Undefined: the request does not wait here, or has gone. */
  #headers: HeaderList | undefined;
  #length = 0;
  #lengthMax = 0;

  constructor(shared: BufferShared) {
    this.#shared = shared;
  }

  onRequestHead(stream: HttpStream, head: RequestHead, end: boolean): Verdict {
    if (end) return "continue";
    const { requestBytesMax } = this.#settingsOf(stream);
    if (requestBytesMax === undefined) return "continue";
    stream.limitRequest(requestBytesMax);
    this.#headers = head.headers;
    this.#lengthMax = requestBytesMax;
    return "hold";
  }

  #settingsOf(stream: HttpStream): BufferSettings {
    const { filterName, settings } = this.#shared;
    if (stream.route?.hasFilterConfigs !== true) return settings;
    return stream.routeConfig<BufferSettings>(filterName) ?? settings;
  }

  onRequestData(_stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict {
    if (this.#headers === undefined) return "continue";
    this.#length += chunk.length;
    // What is held is weighed, and refused when it is too much: the last piece must not get round that.
    return end && this.#length <= this.#lengthMax ? this.#release() : "hold";
  }

  onRequestTrailers(): Verdict {
    return this.#release();
  }

  #release(): Verdict {
    const headers = this.#headers;
    this.#headers = undefined;
    if (headers?.has("content-length") === false)
      headers.add("content-length", String(this.#length));
    return "continue";
  }
}
