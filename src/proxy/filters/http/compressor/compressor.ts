import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import { BodyCoder, type Coding } from "../../../compression/body-coder.ts";
import type { Codec } from "../../../compression/codec.ts";
import { hasNoTransform } from "../../../compression/no-transform.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, Replacement, Verdict } from "../filter.ts";
import { type Candidate, type Choice, chooseEncoding } from "./accept-encoding.ts";

export interface DirectionSettings {
  readonly enabled: () => boolean;
  readonly contentLengthMin: number;
  /** In lower case. */
  readonly contentTypes: ReadonlySet<string>;
  readonly coding: Coding;
  readonly compressed: Counter;
  readonly notCompressed: Counter;
  readonly contentLengthTooSmall: Counter;
}

export interface ResponseSettings extends DirectionSettings {
  readonly disableOnEtag: boolean;
  readonly removeAcceptEncoding: boolean;
  readonly uncompressibleCodes: ReadonlySet<number>;
  readonly statusHeader: boolean;
  readonly noAcceptHeader: Counter;
  readonly headerOf: Readonly<Record<"named" | "wildcard" | "identity" | "invalid", Counter>>;
  readonly overshadowed: Counter;
  readonly notCompressedEtag: Counter;
}

export interface CompressorSettings {
  readonly filterName: string;
  readonly codec: Codec;
  readonly chooseFirst: boolean;
  readonly request: DirectionSettings;
  readonly response: ResponseSettings;
}

/** What a route says of it. */
export interface RouteSettings {
  readonly responseEnabled: boolean | undefined;
  readonly removeAcceptEncoding: boolean | undefined;
  readonly codec: Codec | undefined;
}

const statusField = "x-envoy-compression-status";
/** Envoy's name for it too. */
const chainKey = "compressors";

/** The compressors of one stream's chain: one of them takes the response. */
class CompressorChain {
  readonly filters: Compressor[] = [];
  choice: Choice | undefined;
}

export class Compressor implements HttpFilter {
  readonly #settings: CompressorSettings;
  readonly #chain: CompressorChain;
  #acceptEncoding: string | undefined;
  #request: BodyCoder | undefined;
  #response: BodyCoder | undefined;

  constructor(settings: CompressorSettings, { info }: HttpStream) {
    this.#settings = settings;
    info.filterState ??= new Map();
    const found = info.filterState.get(chainKey);
    this.#chain = found instanceof CompressorChain ? found : new CompressorChain();
    if (this.#chain !== found) info.filterState.set(chainKey, this.#chain);
    this.#chain.filters.push(this);
  }

  onRequestHead(stream: HttpStream, head: RequestHead, end: boolean): Verdict {
    const { headers } = head;
    const { request, response } = this.#settings;
    this.#acceptEncoding = headers.get("accept-encoding");
    const route = this.#route(stream);
    if (
      this.#acceptEncoding !== undefined &&
      (route?.removeAcceptEncoding ?? response.removeAcceptEncoding) &&
      (route?.responseEnabled ?? response.enabled())
    )
      headers.remove("accept-encoding");
    const compresses =
      !end &&
      request.enabled() &&
      head.upgrade === undefined &&
      head.method !== "CONNECT" &&
      isLongEnough(request, headers) &&
      isTypeAllowed(request, headers) &&
      !headers.has("content-encoding");
    if (!compresses) {
      request.notCompressed.inc();
      return "continue";
    }
    const codec = this.#codec(stream);
    headers.remove("content-length");
    headers.set("content-encoding", codec.encoding);
    request.compressed.inc();
    this.#request = new BodyCoder(codec, request.coding, stream, this);
    return "continue";
  }

  onRequestData(_stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    return this.#request?.onData(chunk, end) ?? "continue";
  }

  onRequestTrailers(_stream: HttpStream, trailers: HeaderList): Verdict {
    return this.#request?.onTrailers(trailers) ?? "continue";
  }

  onResponseHead(stream: HttpStream, head: ResponseHead, end: boolean): Verdict {
    const { headers } = head;
    const { response } = this.#settings;
    const codec = this.#codec(stream);
    const isCandidate =
      (this.#route(stream)?.responseEnabled ?? response.enabled()) &&
      isLongEnough(response, headers);
    // With a status to tell, the client's wishes come last.
    const tells = response.statusHeader && !end;
    const asksFirst = !tells && !end && isCandidate;
    const accepted = asksFirst && this.#isAccepted(stream, codec, headers);
    const compressible = tells
      ? this.#tellsCompressible(stream, head, codec)
      : isCandidate && this.#reasonAgainst(stream, head) === undefined;
    const compresses =
      compressible && (asksFirst ? accepted : !end && this.#isAccepted(stream, codec, headers));
    if (compresses) this.#compressResponse(stream, codec, headers);
    else response.notCompressed.inc();
    if (compressible) addVary(headers);
    return "continue";
  }

  #compressResponse(stream: HttpStream, codec: Codec, headers: HeaderList): void {
    const { response } = this.#settings;
    if (response.statusHeader) {
      const length = headers.get("content-length") ?? "";
      headers.add(statusField, `${codec.encoding};Compressed;OriginalLength=${length}`);
    }
    dropStrongEtag(headers);
    headers.remove("content-length");
    headers.set("content-encoding", codec.encoding);
    response.compressed.inc();
    this.#response = new BodyCoder(codec, response.coding, stream, this);
  }

  onResponseData(_stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    return this.#response?.onData(chunk, end) ?? "continue";
  }

  onResponseTrailers(_stream: HttpStream, trailers: HeaderList): Verdict {
    return this.#response?.onTrailers(trailers) ?? "continue";
  }

  onDone({ info }: HttpStream): void {
    this.#request?.close();
    this.#response?.close();
    // The same request may pass the chain again, which then decides again.
    info.filterState?.delete(chainKey);
  }

  #route(stream: HttpStream): RouteSettings | undefined {
    if (stream.route?.hasFilterConfigs !== true) return undefined;
    return stream.routeConfig<RouteSettings>(this.#settings.filterName);
  }

  #codec(stream: HttpStream): Codec {
    return this.#route(stream)?.codec ?? this.#settings.codec;
  }

  /** The first reason against it is told. */
  #tellsCompressible(stream: HttpStream, head: ResponseHead, { encoding }: Codec): boolean {
    const { response } = this.#settings;
    if (!(this.#route(stream)?.responseEnabled ?? response.enabled())) return false;
    const reason = isLongEnough(response, head.headers)
      ? this.#reasonAgainst(stream, head)
      : "ContentLengthTooSmall";
    if (reason === undefined) return true;
    if (reason !== "") head.headers.add(statusField, `${encoding};${reason}`);
    return false;
  }

  /** What of the response forbids it, in Envoy's words; "" for what Envoy has no word for. */
  #reasonAgainst(stream: HttpStream, head: ResponseHead): string | undefined {
    const { headers } = head;
    const { response } = this.#settings;
    if (head.status === 101 || stream.request.method === "CONNECT") return "";
    if (!isTypeAllowed(response, headers)) return "ContentTypeNotAllowed";
    if (hasNoTransform(headers)) return "";
    if (response.disableOnEtag && headers.has("etag")) {
      response.notCompressedEtag.inc();
      return "EtagNotAllowed";
    }
    if (response.uncompressibleCodes.has(head.status)) return "StatusCodeNotAllowed";
    return headers.has("content-encoding") ? "" : undefined;
  }

  /** Whether the client's wishes come to this compressor; counts what they were. */
  #isAccepted(stream: HttpStream, { encoding }: Codec, headers: HeaderList): boolean {
    const { response } = this.#settings;
    const accepted = this.#acceptEncoding;
    if (accepted === undefined) {
      response.noAcceptHeader.inc();
      return false;
    }
    const chain = this.#chain;
    chain.choice ??= chooseEncoding(accepted, candidates(chain, stream, headers));
    const { because } = chain.choice;
    const isChosen = chain.choice.encoding === encoding;
    if (because === "named" && !isChosen) response.overshadowed.inc();
    else response.headerOf[because].inc();
    return isChosen;
  }

  /** Undefined when the response's type is none of this compressor's. */
  candidate(stream: HttpStream, headers: HeaderList): Candidate | undefined {
    const { response, chooseFirst } = this.#settings;
    if (headers.get("content-type") !== "" && !isTypeAllowed(response, headers)) return undefined;
    return { encoding: this.#codec(stream).encoding, chooseFirst };
  }
}

function candidates(
  { filters }: CompressorChain,
  stream: HttpStream,
  headers: HeaderList,
): readonly Candidate[] {
  const found: Candidate[] = [];
  for (const filter of filters) {
    const candidate = filter.candidate(stream, headers);
    if (candidate !== undefined) found.push(candidate);
  }
  return found;
}

function isLongEnough(settings: DirectionSettings, headers: HeaderList): boolean {
  const length = headers.get("content-length");
  if (length === undefined || Number(length) >= settings.contentLengthMin) return true;
  settings.contentLengthTooSmall.inc();
  return false;
}

function isTypeAllowed({ contentTypes }: DirectionSettings, headers: HeaderList): boolean {
  const type = headers.get("content-type");
  if (type === undefined) return true;
  const semicolon = type.indexOf(";");
  const bare = semicolon < 0 ? type : type.slice(0, semicolon);
  return contentTypes.has(bare.trim().toLowerCase());
}

/** RFC 9110 §8.8.3: a strong validator is of the very bytes, which are no longer these. */
function dropStrongEtag(headers: HeaderList): void {
  const etag = headers.get("etag");
  if (etag !== undefined && !/^w\//i.test(etag)) headers.remove("etag");
}

/** As in Envoy, only this spelling is known to be there already. */
function addVary(headers: HeaderList): void {
  const vary = headers.get("vary");
  if (vary === undefined) headers.add("vary", "Accept-Encoding");
  else if (!vary.split(",").some((token) => token.trim() === "Accept-Encoding"))
    headers.set("vary", `${vary}, Accept-Encoding`);
}
