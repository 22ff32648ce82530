import type { ByteMeter } from "./byte-meter.ts";
import { HeaderList } from "./headers.ts";

/** `10` HTTP/1.0, `11` HTTP/1.1, `20` HTTP/2. */
export type HttpVersion = 10 | 11 | 20;

export function versionName(version: HttpVersion): string {
  return version === 11 ? "HTTP/1.1" : version === 10 ? "HTTP/1.0" : "HTTP/2";
}

/**
 * A request's head. `authority` is the Host field of HTTP/1 (never in `headers`) and the :authority of HTTP/2; `path` is the
 * origin-form target with its query ("" for CONNECT without a path).
 */
export class RequestHead {
  method: string;
  path: string;
  authority: string;
  scheme: "http" | "https" = "http";
  version: HttpVersion;
  readonly headers: HeaderList;
  /** `Upgrade` token of a request that asks for one, or the :protocol of an extended CONNECT (RFC 8441). */
  upgrade: string | undefined = undefined;
  /** No Host field at all: an HTTP/1.1 request without one is refused (RFC 9112 §3.2). */
  hostMissing = false;
  /** `Expect: 100-continue`; the field itself is not in `headers`. */
  expectsContinue = false;

  constructor(
    method: string,
    path: string,
    authority: string,
    version: HttpVersion,
    headers: HeaderList = new HeaderList(),
  ) {
    this.method = method;
    this.path = path;
    this.authority = authority;
    this.version = version;
    this.headers = headers;
  }

  /** A field or a pseudo field by its lower-case name (":path", ":method", ":authority", ":scheme", "host" = authority). */
  get(name: string): string | undefined {
    if (name.charCodeAt(0) === 0x3a /* : */ || name === "host") return this.#pseudo(name);
    return this.headers.get(name);
  }

  #pseudo(name: string): string | undefined {
    switch (name) {
      case ":path":
        return this.path;
      case ":method":
        return this.method;
      case "host":
      case ":authority":
        return this.authority;
      case ":scheme":
        return this.scheme;
      case ":protocol":
        return this.method === "CONNECT" ? this.upgrade : undefined;
      default:
        return undefined;
    }
  }
}

export class ResponseHead {
  status: number;
  version: HttpVersion = 11;
  readonly headers: HeaderList;

  constructor(status: number, headers: HeaderList = new HeaderList()) {
    this.status = status;
    this.headers = headers;
  }

  get(name: string): string | undefined {
    return name === ":status" ? String(this.status) : this.headers.get(name);
  }
}

/**
 * Why a stream ended before its time. `protocol`: the peer broke the protocol; `remote`: the peer reset the stream or closed the
 * connection; `local`: we gave up (timeout, filter); `overflow`: a limit; `connect`: no connection could be made;
 * `refused`: the peer says it never processed the request (RFC 9113 §8.7).
 */
export type ResetReason =
  | "protocol"
  | "remote-reset"
  | "remote-close"
  | "local"
  | "overflow"
  | "connect"
  | "connect-timeout"
  | "refused";

/** Receives one message, codec to user. Chunks are valid only during the call: who keeps one copies it. */
export interface RequestSink {
  onHead(head: RequestHead, end: boolean): void;
  onData(chunk: Uint8Array, end: boolean): void;
  onTrailers(trailers: HeaderList): void;
  /** `protocol`: the request's body broke the protocol; an answer may still be sent, after which the connection closes. */
  onReset(reason: ResetReason, detail: string): void;
  /** The peer can take more after `send…` made the stream's buffer pass its high watermark. */
  onWritable(): void;
  /** The stream's unsent bytes passed the high watermark: stop the producer. */
  onUnwritable(): void;
}

export interface ResponseSink {
  onInformational(head: ResponseHead): void;
  onHead(head: ResponseHead, end: boolean): void;
  onData(chunk: Uint8Array, end: boolean): void;
  onTrailers(trailers: HeaderList): void;
  onReset(reason: ResetReason, detail: string): void;
  onWritable(): void;
  onUnwritable(): void;
}

/** What both directions of sending share. Chunks given to `sendData` are copied or written before it returns. */
export interface OutgoingStream {
  /** Of the exchange that the stream is now; a stream that serves one after the other has another for each. */
  readonly meter: ByteMeter;
  sendData(chunk: Uint8Array, end: boolean): void;
  sendTrailers(trailers: HeaderList): void;
  /** Abort; no event follows. */
  reset(reason: ResetReason): void;
  /** Counted: reading of this stream stops at the first `pause` and starts again at the matching `resume`. */
  pause(): void;
  resume(): void;
}

/** A server's side of one exchange: answers go in here. */
export interface ResponseStream extends OutgoingStream {
  sendInformational(head: ResponseHead): void;
  sendHead(head: ResponseHead, end: boolean): void;
}

/** A client's side of one exchange: the request goes in here. */
export interface RequestStream extends OutgoingStream {
  sendHead(head: RequestHead, end: boolean): void;
}

/** Codec to connection manager: a new request begins on the connection. */
export interface ServerCodecHandler {
  onStream(stream: ResponseStream): RequestSink;
  /**
   * The peer broke the protocol before a request was whole enough to be one. `stream` takes the refusal; the codec reads nothing
   * more. `detail` is Envoy's response code detail ("http1.codec_error").
   */
  onProtocolError(stream: ResponseStream, status: number, detail: string): void;
}

/** The same for HTTP/2, where an error can be the connection's. */
export interface MultiplexedServerHandler extends ServerCodecHandler {
  /** Broken beyond any answer: every stream has had its `onReset`, GOAWAY is written; the connection closes when that has left. */
  onConnectionError(detail: string): void;
}

/** Bytes in, events out; no socket, no timer. The same shape for HTTP/1 and HTTP/2. */
export interface ServerCodec {
  readonly protocol: HttpVersion;
  /** Streams not yet over. */
  readonly active: number;
  /** No further request is taken: the connection ends with its last stream. */
  readonly closing: boolean;
  feed(bytes: Uint8Array): void;
  /** The peer's FIN. */
  onEnd(): void;
  /** No new streams after those that began: `connection: close` on the next answer; GOAWAY at once (RFC 9113 §6.8). */
  goAway(): void;
  /** HTTP/2 only: tells the peer that `goAway` follows, so that no request crosses it; a no-op on HTTP/1. */
  noticeGoAway(): void;
  /** The connection's output fell below its low watermark, or rose above its high one. */
  onWritable(): void;
  onUnwritable(): void;
}

export interface ClientCodecHandler {
  /** An exchange is over, both ways; `reusable`: the connection can serve another. */
  onStreamDone(reusable: boolean): void;
  /** Bytes without a request, or another break of the protocol outside any stream: the connection must go. */
  onProtocolError(detail: string): void;
  /** The peer takes no new streams (HTTP/2); those it never processed have had their `onReset("refused")`. */
  onGoAway(): void;
  /** `concurrency` has changed. */
  onConcurrency(): void;
}

export interface ClientCodec {
  readonly protocol: HttpVersion;
  /** Streams that may be active at the same time: 1 for HTTP/1; what the peer's settings and our options allow for HTTP/2. */
  readonly concurrency: number;
  newStream(sink: ResponseSink): RequestStream;
  feed(bytes: Uint8Array): void;
  onEnd(): void;
  onWritable(): void;
  onUnwritable(): void;
}
