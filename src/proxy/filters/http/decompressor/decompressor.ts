import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import { BodyCoder, type Coding } from "../../../compression/body-coder.ts";
import type { Decoder } from "../../../compression/codec.ts";
import { hasNoTransform } from "../../../compression/no-transform.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, Replacement, Verdict } from "../filter.ts";

export interface DirectionSettings {
  readonly enabled: () => boolean;
  readonly ignoresNoTransform: boolean;
  readonly coding: Coding;
  readonly decompressed: Counter;
  readonly notDecompressed: Counter;
}

export interface DecompressorSettings {
  readonly decoder: Decoder;
  readonly advertises: boolean;
  readonly request: DirectionSettings;
  readonly response: DirectionSettings;
}

export class Decompressor implements HttpFilter {
  readonly #settings: DecompressorSettings;
  #request: BodyCoder | undefined;
  #response: BodyCoder | undefined;

  constructor(settings: DecompressorSettings) {
    this.#settings = settings;
  }

  onRequestHead(stream: HttpStream, head: RequestHead, end: boolean): Verdict {
    const { decoder, advertises, request, response } = this.#settings;
    if (advertises && response.enabled()) advertise(head.headers, decoder.encoding);
    if (!end) this.#request = this.#begin(stream, request, head.headers);
    return "continue";
  }

  onRequestData(_stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    return this.#request?.onData(chunk, end) ?? "continue";
  }

  onRequestTrailers(_stream: HttpStream, trailers: HeaderList): Verdict {
    return this.#request?.onTrailers(trailers) ?? "continue";
  }

  onResponseHead(stream: HttpStream, head: ResponseHead, end: boolean): Verdict {
    if (!end) this.#response = this.#begin(stream, this.#settings.response, head.headers);
    return "continue";
  }

  onResponseData(_stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    return this.#response?.onData(chunk, end) ?? "continue";
  }

  onResponseTrailers(_stream: HttpStream, trailers: HeaderList): Verdict {
    return this.#response?.onTrailers(trailers) ?? "continue";
  }

  onDone(): void {
    this.#request?.close();
    this.#response?.close();
  }

  #begin(
    stream: HttpStream,
    direction: DirectionSettings,
    headers: HeaderList,
  ): BodyCoder | undefined {
    const { decoder } = this.#settings;
    const decompresses =
      direction.enabled() &&
      (direction.ignoresNoTransform || !hasNoTransform(headers)) &&
      takeCoding(headers, decoder.encoding);
    if (!decompresses) {
      direction.notDecompressed.inc();
      return undefined;
    }
    direction.decompressed.inc();
    headers.remove("content-length");
    return new BodyCoder(decoder, direction.coding, stream, this);
  }
}

/** Takes the first content coding away when it is ours. */
function takeCoding(headers: HeaderList, encoding: string): boolean {
  const codings = headers.get("content-encoding");
  if (codings === undefined) return false;
  const comma = codings.indexOf(",");
  const first = comma < 0 ? codings : codings.slice(0, comma);
  if (first.trim().toLowerCase() !== encoding) return false;
  if (comma < 0) headers.remove("content-encoding");
  else headers.set("content-encoding", codings.slice(comma + 1).trim());
  return true;
}

/** Last, once, and with the highest weight. */
function advertise(headers: HeaderList, encoding: string): void {
  const others = (headers.get("accept-encoding") ?? "")
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding.split(";", 1)[0]?.trim() !== encoding);
  headers.set("accept-encoding", [...others, encoding].join(","));
}
