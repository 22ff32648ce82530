import type {
  MultiplexedServerHandler,
  RequestSink,
  ResponseHead,
  ResponseStream,
  ServerCodec,
} from "../message.ts";
import { Detail } from "./details.ts";
import { RequestSection } from "./field-section.ts";
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

export interface Http2ServerHandler extends MultiplexedServerHandler {
  /** The answer to `ping`. */
  onPong?(): void;
  /** A request was refused by its head, which is not worth to be one: there is no stream, and nothing to answer. */
  onRefusedHead?(detail: string): void;
  /** After the last GOAWAY the last stream has left, its bytes included that had to wait for the client's window. */
  onDrained?(): void;
}

/** Server side of one stream. */
class ServerStream extends Http2Stream<RequestSink> implements ResponseStream {
  /** Envoy says NO_ERROR, which clients take for the end of an answer that was cut short. RFC 9113 §8.5: CONNECT_ERROR for tunnels. */
  abortCode: number = ErrorCode.internalError;
  readonly bornMs: number;
  /** Asked for by extended CONNECT: its 101 is a 200 here (RFC 8441 §5). */
  upgrade = false;
  #headSent = false;
  readonly #codec: Http2ServerCodec;

  constructor(codec: Http2ServerCodec, id: number, bornMs: number) {
    super(codec, id);
    this.#codec = codec;
    this.bornMs = bornMs;
  }

  sendInformational(head: ResponseHead): void {
    if (this.localEnded || this.#headSent || head.status === 101) return;
    this.connection.sendFields(this, [":status", String(head.status)], false, head.headers.list);
  }

  sendHead(head: ResponseHead, end: boolean): void {
    if (this.localEnded || this.#headSent) return;
    this.#headSent = true;
    const switches = this.upgrade && head.status === 101;
    if (switches) {
      // RFC 8441 §5: the stream is the tunnel; what would say so on HTTP/1 is malformed here.
      head.headers.remove("connection");
      head.headers.remove("upgrade");
    }
    const status = switches ? "200" : String(head.status);
    this.connection.sendFields(this, [":status", status], end, head.headers.list);
    if (end) this.endLocal();
  }

  protected onLocalEnd(): void {
    this.#codec.onEarlyAnswer(this);
  }

  onClosed(): void {
    this.#codec.onStreamClosed();
  }
}

/** HTTP/2 server side. */
export class Http2ServerCodec extends Http2Connection implements ServerCodec {
  readonly #handler: Http2ServerHandler;
  readonly #section: RequestSection;
  #prefaceAt = 0;
  #begun = false;
  /** With the last GOAWAY: streams above it are not taken. */
  #lastTaken: number = streamIdMax;
  /** The ids that `lastId` skipped last: idle streams that became closed unused (RFC 9113 §5.1.1). */
  #gapFrom = 1;
  #feedMs = -1;
  #feeding = false;
  /** Answered within this read: what is left of their requests may be in it too. */
  readonly #answeredEarly: ServerStream[] = [];
  #resetEarly = 0;

  constructor(
    options: Http2Options,
    services: Http2Services,
    output: FrameSink,
    handler: Http2ServerHandler,
  ) {
    super(options, services, output);
    this.#handler = handler;
    this.#section = new RequestSection(options);
  }

  get closing(): boolean {
    return this.state === "going" || this.state === "over";
  }

  protected get lastProcessed(): number {
    return Math.min(this.lastId, this.#lastTaken);
  }

  feed(bytes: Uint8Array): void {
    if (this.state === "over") return;
    this.#begin();
    this.#feedMs = -1;
    let at = 0;
    while (this.#prefaceAt < clientPreface.length && at < bytes.length) {
      if (bytes[at++] === clientPreface[this.#prefaceAt++]) continue;
      this.connectionError(ErrorCode.protocolError, Detail.protocol);
      return;
    }
    if (at === bytes.length) return;
    this.#feeding = true;
    this.reader.feed(bytes, at);
    this.#feeding = false;
    const early = this.#answeredEarly;
    for (let stream = early.pop(); stream !== undefined; stream = early.pop())
      this.onEarlyAnswer(stream);
  }

  /**
   * RFC 9113 §8.1: an answer that is whole before its request. Nobody reads the rest, so the client is asked not to send it.
   */
  onEarlyAnswer(stream: ServerStream): void {
    if (this.#feeding) this.#answeredEarly.push(stream);
    else if (stream.state !== "closed") this.resetStream(stream, ErrorCode.noError);
  }

  /** RFC 9113 §3.4: the server's preface is its SETTINGS, which come before all else and need not wait for the client's. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    const { options } = this;
    const pairs: [setting: number, value: number][] = [];
    if (options.maxConcurrentStreams < unlimitedStreams)
      pairs.push([Setting.maxConcurrentStreams, options.maxConcurrentStreams]);
    if (options.allowConnect) pairs.push([Setting.enableConnectProtocol, 1]);
    this.sendSettings(pairs);
  }

  onEnd(): void {
    if (this.state !== "over") this.finish("remote-close", "downstream_remote_disconnect");
  }

  override ping(): void {
    this.#begin();
    super.ping();
  }

  noticeGoAway(): void {
    if (this.state !== "open") return;
    this.#begin();
    this.state = "noticed";
    this.sendGoAway(streamIdMax, ErrorCode.noError);
  }

  goAway(): void {
    if (this.closing) return;
    this.#begin();
    this.state = "going";
    this.#lastTaken = this.lastId;
    this.sendGoAway(this.lastId, ErrorCode.noError);
  }

  onStreamClosed(): void {
    if (this.state === "going" && this.active === 0) this.#handler.onDrained?.();
  }

  protected isIdle(streamId: number): boolean {
    // We push nothing: even ones never leave the idle state.
    return streamId > this.lastId || (streamId & 1) === 0;
  }

  protected onFieldBlock(
    streamId: number,
    ends: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (streamId > this.lastId) {
      this.#onRequest(streamId, ends, bytes, start, end);
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.onTrailerBlock(stream, ends, bytes, start, end);
    else if ((streamId & 1) === 0 || (streamId >= this.#gapFrom && streamId < this.lastId))
      this.connectionError(ErrorCode.protocolError, Detail.protocol);
    else this.onLateBlock(streamId, bytes, start, end);
  }

  #onRequest(streamId: number, ends: boolean, bytes: Uint8Array, start: number, end: number): void {
    if ((streamId & 1) === 0) {
      this.connectionError(ErrorCode.protocolError, Detail.protocol);
      return;
    }
    const section = this.#section;
    this.#gapFrom = this.lastId + 2;
    this.lastId = streamId;
    if (!this.decodeSection(section, bytes, start, end)) return;
    // RFC 9113 §6.8: the client will try these elsewhere.
    if (streamId > this.#lastTaken) {
      this.resetIds.add(streamId);
      return;
    }
    if (this.streams.size >= this.options.maxConcurrentStreams) {
      this.sendReset(streamId, ErrorCode.refusedStream);
      return;
    }
    if (section.overflow !== undefined) {
      this.resetForOverflow(streamId, section.overflow);
      this.#handler.onRefusedHead?.(section.overflow);
      return;
    }
    const head = section.problem === undefined ? section.head() : undefined;
    // RFC 9113 §8.1.1: no body, although one is announced.
    if (head === undefined || (ends && section.contentLength > 0)) {
      this.#refuse(streamId, section);
      return;
    }
    for (let i = section.droppedUnderscores; i > 0; i--)
      this.stats.droppedHeadersWithUnderscores.inc();
    if (this.#feedMs === -1) this.#feedMs = this.now();
    const stream = new ServerStream(this, streamId, this.#feedMs);
    const size = frameHeadSize + end - start;
    stream.meter.countHeaderReceived(size, size);
    stream.bodyLeft = section.contentLength;
    stream.upgrade = head.upgrade !== undefined;
    if (head.method === "CONNECT") stream.abortCode = ErrorCode.connectError;
    this.adopt(stream);
    const sink = this.#handler.onStream(stream);
    stream.sink = sink;
    if (ends) stream.endRemote();
    sink.onHead(head, ends);
  }

  #refuse(streamId: number, section: RequestSection): void {
    if (section.rejectedUnderscore) this.stats.requestsRejectedWithUnderscores.inc();
    else this.stats.rxMessagingError.inc();
    const detail = section.problem ?? Detail.messaging;
    this.#handler.onRefusedHead?.(detail);
    // Envoy resets the stream alone for an underscore.
    if (section.rejectedUnderscore || this.options.streamErrorOnInvalidMessage)
      this.sendReset(streamId, ErrorCode.protocolError);
    else this.connectionError(ErrorCode.protocolError, detail);
  }

  protected onStreamReset(stream: AnyStream, code: number): void {
    const detail = code === ErrorCode.refusedStream ? Detail.remoteRefuse : Detail.remoteReset;
    this.abort(stream, "remote-reset", detail);
    this.#countEarlyReset(stream as ServerStream);
  }

  /** A client that breaks its stream's rules makes us do what it could have done by RST_STREAM (CVE-2025-8671). */
  override streamError(stream: AnyStream, code: number, detail: string): void {
    super.streamError(stream, code, detail);
    this.#countEarlyReset(stream as ServerStream);
  }

  /** Rapid reset: a client that opens streams only to reset them makes us work for nothing, and is never over its concurrency. */
  #countEarlyReset(stream: ServerStream): void {
    const { total, lifetimeMs } = this.options.prematureResets;
    if (total === 0) return;
    if (this.#feedMs === -1) this.#feedMs = this.now();
    if (this.#feedMs - stream.bornMs >= lifetimeMs) return;
    this.#resetEarly++;
    const all = Math.max(total, this.opened - this.streams.size);
    if (this.#resetEarly * 2 >= all)
      this.connectionError(ErrorCode.enhanceYourCalm, Detail.prematureResets);
  }

  protected onPeerSetting(): void {}

  protected onPeerGoAway(): void {}

  protected onPong(): void {
    this.#handler.onPong?.();
  }

  protected onBroken(detail: string): void {
    this.#handler.onConnectionError(detail);
  }
}
