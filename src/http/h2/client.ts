import type {
  ClientCodec,
  ClientCodecHandler,
  RequestHead,
  RequestStream,
  ResponseHead,
  ResponseSink,
} from "../message.ts";
import { Detail } from "./details.ts";
import { ResponseSection } from "./field-section.ts";
import type { FrameSink } from "./frame-writer.ts";
import {
  clientPreface,
  ErrorCode,
  frameHeadSize,
  Setting,
  streamIdMax,
  unlimitedStreams,
} from "./frames.ts";
import { Http2Connection } from "./http2-connection.ts";
import type { Http2Options, Http2Services } from "./http2-options.ts";
import type { AnyStream } from "./http2-outbound.ts";
import { Http2Stream } from "./stream.ts";

export interface Http2ClientHandler extends ClientCodecHandler {
  /** The answer to `ping`. */
  onPong?(): void;
}

/** Client side of one stream. */
class ClientStream extends Http2Stream<ResponseSink> implements RequestStream {
  protected readonly abortCode: number = ErrorCode.cancel;
  readonly #codec: Http2ClientCodec;
  toHead = false;
  toConnect = false;
  /** Asked for by extended CONNECT: a 2xx is its 101 (RFC 8441 §5). */
  upgrade: string | undefined = undefined;

  constructor(codec: Http2ClientCodec, sink: ResponseSink) {
    super(codec, 0);
    this.#codec = codec;
    this.sink = sink;
    this.expectsData = false;
  }

  sendHead(head: RequestHead, end: boolean): void {
    if (this.localEnded || this.id !== 0 || !this.#codec.open(this)) return;
    this.toHead = head.method === "HEAD";
    this.toConnect = head.method === "CONNECT";
    if (!this.toConnect) this.upgrade = head.upgrade;
    this.connection.sendFields(this, pseudoFields(head, this.upgrade), end, head.headers.list);
    if (end) this.endLocal();
  }

  /** The request is whole before its response: as it should be. */
  protected onLocalEnd(): void {}

  onClosed(): void {
    this.#codec.onStreamClosed(this);
  }
}

/** RFC 9113 §8.3.1 and §8.5, RFC 8441 §4. */
function pseudoFields(head: RequestHead, protocol: string | undefined): string[] {
  const { method, authority, path, scheme } = head;
  if (method === "CONNECT") return [":method", method, ":authority", authority];
  const fields = [":method", method, ":scheme", scheme, ":path", path];
  if (authority !== "") fields.push(":authority", authority);
  if (protocol === undefined) return fields;
  fields[1] = "CONNECT";
  fields.push(":protocol", protocol);
  return fields;
}

/** HTTP/2 client side. */
export class Http2ClientCodec extends Http2Connection implements ClientCodec {
  readonly #handler: Http2ClientHandler;
  readonly #section: ResponseSection;
  /** Streams whose request has not begun: they have no id yet. */
  readonly #unsent: ClientStream[] = [];
  #nextId = 1;
  #peerStreamsMax = unlimitedStreams;
  #connectOffered = false;

  constructor(
    options: Http2Options,
    services: Http2Services,
    output: FrameSink,
    handler: Http2ClientHandler,
  ) {
    super(options, services, output);
    this.#handler = handler;
    this.#section = new ResponseSection(options);
    // RFC 9113 §3.4: the preface begins every connection, used or not: a server may close one on which it does not come.
    this.writer.reserve(clientPreface.length);
    this.writer.octets(clientPreface);
    this.sendSettings([[Setting.enablePush, 0]]);
  }

  get concurrency(): number {
    if (this.state !== "open") return 0;
    return Math.min(this.options.maxConcurrentStreams, this.#peerStreamsMax);
  }

  /** The server takes extended CONNECT (RFC 8441 §3). */
  get connectOffered(): boolean {
    return this.#connectOffered;
  }

  /** We push nothing back: no stream of the server's has been processed. */
  protected get lastProcessed(): number {
    return 0;
  }

  newStream(sink: ResponseSink): RequestStream {
    const stream = new ClientStream(this, sink);
    this.#unsent.push(stream);
    return stream;
  }

  /** Give the stream its id: with its HEADERS, because ids rise in the order in which streams begin (RFC 9113 §5.1.1). */
  open(stream: ClientStream): boolean {
    this.#dropUnsent(stream);
    if (this.state !== "open") {
      this.abort(stream, this.state === "over" ? "remote-close" : "refused", "");
      return false;
    }
    stream.id = this.#nextId;
    this.lastId = stream.id;
    this.#nextId += 2;
    stream.sendWindow = this.peerInitialWindow;
    this.adopt(stream);
    if (this.#nextId > streamIdMax) {
      // RFC 9113 §5.1.1: no ids are left, a new connection has them all.
      this.state = "going";
      this.#handler.onGoAway();
    }
    return true;
  }

  #dropUnsent(stream: ClientStream): void {
    const { length } = this.#unsent;
    // Nearly always the last.
    if (this.#unsent[length - 1] === stream) this.#unsent.length = length - 1;
    else {
      const at = this.#unsent.indexOf(stream);
      if (at !== -1) this.#unsent.splice(at, 1);
    }
  }

  onStreamClosed(stream: ClientStream): void {
    if (stream.id === 0) this.#dropUnsent(stream);
    this.#handler.onStreamDone(this.state === "open");
  }

  feed(bytes: Uint8Array): void {
    if (this.state !== "over") this.reader.feed(bytes, 0);
  }

  onEnd(): void {
    if (this.state === "over") return;
    this.finish("remote-close", "");
    this.#abortUnsent("remote-close", "");
  }

  #abortUnsent(reason: "remote-close" | "refused" | "protocol", detail: string): void {
    for (const stream of [...this.#unsent]) this.abort(stream, reason, detail);
  }

  protected isIdle(streamId: number): boolean {
    return streamId > this.lastId || (streamId & 1) === 0;
  }

  protected onFieldBlock(
    streamId: number,
    ends: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const stream = this.streams.get(streamId) as ClientStream | undefined;
    if (stream === undefined) this.onLateBlock(streamId, bytes, start, end);
    else if (stream.expectsData) this.onTrailerBlock(stream, ends, bytes, start, end);
    else this.#onResponse(stream, ends, bytes, start, end);
  }

  #onResponse(
    stream: ClientStream,
    ends: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const section = this.#section;
    const size = frameHeadSize + end - start;
    stream.meter.countHeaderReceived(size, size);
    if (!this.decodeSection(section, bytes, start, end)) return;
    if (section.overflow !== undefined) {
      this.onOverflow(stream, section.overflow);
      return;
    }
    const head = section.problem === undefined ? section.head() : undefined;
    const bodyLeft = head === undefined ? 0 : bodyLength(head, stream, section.contentLength);
    // RFC 9113 §8.1: informational responses do not end a stream; §8.1.1: no body, although one is announced.
    if (head === undefined || (ends && (head.status < 200 || bodyLeft > 0))) {
      this.messagingError(stream, section.problem ?? Detail.messaging);
      return;
    }
    if (head.status < 200) {
      stream.sink?.onInformational(head);
      return;
    }
    if (stream.upgrade !== undefined && head.status < 300) {
      head.status = 101;
      head.headers.add("upgrade", stream.upgrade);
      head.headers.add("connection", "upgrade");
    }
    stream.bodyLeft = bodyLeft;
    stream.expectsData = true;
    if (ends) stream.endRemote();
    stream.sink?.onHead(head, ends);
    stream.settle();
  }

  protected onStreamReset(stream: AnyStream, code: number): void {
    // RFC 9113 §8.1: the response is whole, and the rest of the request is not wanted.
    if (code === ErrorCode.noError && stream.remoteEnded) this.close(stream);
    else if (code === ErrorCode.refusedStream) this.abort(stream, "refused", Detail.remoteRefuse);
    else if (code === ErrorCode.protocolError) this.abort(stream, "protocol", Detail.remoteReset);
    else this.abort(stream, "remote-reset", Detail.remoteReset);
  }

  protected onPeerSetting(setting: number, value: number): void {
    if (setting === Setting.maxConcurrentStreams) {
      const before = this.concurrency;
      this.#peerStreamsMax = value;
      if (this.concurrency !== before) this.#handler.onConcurrency();
    } else if (setting === Setting.enableConnectProtocol) this.#connectOffered = value === 1;
    // RFC 9113 §6.5.2: a server does not enable push.
    else if (setting === Setting.enablePush && value === 1)
      this.connectionError(ErrorCode.protocolError, Detail.protocol);
  }

  protected onPeerGoAway(lastStreamId: number, _code: number): void {
    const first = this.state === "open";
    if (first) this.state = "going";
    // RFC 9113 §6.8: those were not processed and may be tried elsewhere.
    for (const stream of this.streams.values())
      if (stream.id > lastStreamId) this.abort(stream, "refused", Detail.remoteRefuse);
    this.#abortUnsent("refused", Detail.remoteRefuse);
    if (first) this.#handler.onGoAway();
  }

  protected onPong(): void {
    this.#handler.onPong?.();
  }

  protected onBroken(detail: string): void {
    this.#abortUnsent("protocol", detail);
    this.#handler.onProtocolError(detail);
  }
}

/** RFC 9113 §8.1.1 with RFC 9110 §6.4.1: -1: any length. */
function bodyLength(head: ResponseHead, stream: ClientStream, contentLength: number): number {
  if (stream.toHead || head.status === 204 || head.status === 304) return 0;
  if (stream.toConnect && head.status < 300) return -1;
  return contentLength;
}
