import type { ResetReason } from "../message.ts";
import { type FieldSection, TrailerSection } from "./field-section.ts";
import { type FrameHandler, FrameReader } from "./frame-reader.ts";
import { type FrameSink, FrameWriter } from "./frame-writer.ts";
import {
  defaultWindow,
  ErrorCode,
  Flag,
  FrameType,
  frameHeadSize,
  frameSizeMax,
  readUint16,
  readUint31,
  readUint32,
  Setting,
  streamIdMax,
  windowMax,
} from "./frames.ts";
import { HpackDecoder, type HpackFieldSink } from "./hpack-decoder.ts";
import { beginBytesMax, HpackEncoder } from "./hpack-encoder.ts";
import type { Http2Options, Http2Services, Http2Stats } from "./http2-options.ts";
import { RecentIds } from "./recent-ids.ts";
import type { Http2Stream, MessageSink } from "./stream.ts";

export type AnyStream = Http2Stream<MessageSink>;

/**
 * "noticed": a GOAWAY without effect has announced the next. "going": no new streams. "over": broken or at its end; what comes is
 * thrown away.
 */
export type ConnectionState = "open" | "noticed" | "going" | "over";

const pingPayload: Uint8Array = new Uint8Array(8);
/** A field block in more frames than this is an attack: the largest we take is whole in five. */
const continuationsMax = 16;

/** One HTTP/2 connection: what both roles share (RFC 9113). Bytes in, events out; no socket, no timer. */
export abstract class Http2Connection implements FrameHandler {
  readonly protocol = 20;
  readonly options: Http2Options;
  readonly stats: Http2Stats;
  readonly writer: FrameWriter;
  /** The window of a new stream as the peer's SETTINGS say. */
  peerInitialWindow: number = defaultWindow;
  /** The connection's unsent bytes are above the watermark: DATA waits in its streams. */
  blocked = false;
  protected readonly now: () => number;
  protected readonly reader: FrameReader;
  protected readonly streams: Map<number, AnyStream> = new Map();
  protected state: ConnectionState = "open";
  /** The highest id the client has used. */
  protected lastId = 0;
  /** Streams there have been. */
  protected opened = 0;
  readonly #decoder: HpackDecoder;
  readonly #encoder: HpackEncoder;
  readonly #trailerSection: TrailerSection;
  readonly #resetIds: RecentIds = new RecentIds();
  #settingsSeen = false;
  #sendWindow = defaultWindow;
  #receiveWindow: number;
  #owed = 0;
  /** Streams with something to send and a window for it, in turn. */
  #waiting: AnyStream[] = [];
  /** Where the parts of a DATA frame go. */
  #dataStream: AnyStream | undefined = undefined;
  #dataEnds = false;
  /** A field block that goes on in CONTINUATION frames. */
  #blockId = 0;
  #blockEnds = false;
  #block: Uint8Array[] = [];
  #blockSize = 0;
  #blockFrames = 0;
  // Floods.
  #emptyFrames = 0;
  #priorityFrames = 0;
  #windowUpdates = 0;
  #dataFramesSent = 0;

  constructor(options: Http2Options, services: Http2Services, output: FrameSink) {
    this.options = options;
    this.stats = services.stats;
    this.now = services.now;
    this.writer = new FrameWriter(output, this);
    this.reader = new FrameReader(this);
    this.#decoder = new HpackDecoder({ tableSizeMax: options.hpackTableSize });
    this.#encoder = new HpackEncoder({ tableSizeMax: options.hpackTableSize });
    this.#trailerSection = new TrailerSection(options);
    this.#receiveWindow = options.initialConnectionWindowSize;
  }

  /** Streams not yet over, those included whose last bytes still wait for the peer's window. */
  get active(): number {
    return this.streams.size;
  }

  protected abstract onFieldBlock(
    streamId: number,
    end: boolean,
    bytes: Uint8Array,
    start: number,
    blockEnd: number,
  ): void;
  protected abstract onPeerSetting(setting: number, value: number): void;
  protected abstract onPeerGoAway(lastStreamId: number, code: number): void;
  protected abstract onPong(): void;
  /** Every stream has been told; the connection closes when what is written has left. */
  protected abstract onBroken(detail: string): void;
  protected abstract onStreamReset(stream: AnyStream, code: number): void;
  /** RFC 9113 §5.1.1: no frame has opened it yet. */
  protected abstract isIdle(streamId: number): boolean;

  // === The connection's begin and end ===

  protected sendSettings(pairs: (readonly [setting: number, value: number])[]): void {
    const { options } = this;
    if (options.hpackTableSize !== 4096)
      pairs.push([Setting.headerTableSize, options.hpackTableSize]);
    if (options.initialStreamWindowSize !== defaultWindow)
      pairs.push([Setting.initialWindowSize, options.initialStreamWindowSize]);
    // RFC 9113 §6.5.2 counts 32 octets more for each field.
    pairs.push([Setting.maxHeaderListSize, options.fieldBytesMax + 32 * options.fieldsMax]);
    this.writer.settings(pairs);
    const more = options.initialConnectionWindowSize - defaultWindow;
    if (more > 0) this.writer.windowUpdate(0, more);
  }

  ping(): void {
    if (this.state !== "over") this.writer.ping(pingPayload, false);
  }

  protected sendGoAway(lastStreamId: number, code: number): void {
    this.stats.goAwaySent.inc();
    this.writer.goAway(lastStreamId, code);
  }

  /** RFC 9113 §5.4.1. */
  connectionError(code: number, detail: string): void {
    if (this.state === "over") return;
    this.sendGoAway(this.lastProcessed, code);
    this.finish("protocol", detail);
    this.onBroken(detail);
  }

  protected abstract readonly lastProcessed: number;

  /** Tell every stream that it is over, and read nothing more. */
  protected finish(reason: ResetReason, detail: string): void {
    this.state = "over";
    this.reader.stop();
    this.#waiting = [];
    this.#block = [];
    for (const stream of [...this.streams.values()]) this.abort(stream, reason, detail);
  }

  /** The stream ends with an event. */
  protected abort(stream: AnyStream, reason: ResetReason, detail: string): void {
    if (stream.state === "closed") return;
    this.#forget(stream);
    stream.sink?.onReset(reason, detail);
    stream.onClosed();
  }

  /** RFC 9113 §5.4.2. */
  streamError(stream: AnyStream, code: number, detail: string): void {
    this.sendReset(stream.id, code);
    this.abort(stream, "protocol", detail);
  }

  /** RFC 9113 §8.1.1: a malformed message is a stream error; Envoy makes it the connection's unless told otherwise. */
  protected messagingError(stream: AnyStream, detail: string): void {
    this.stats.rxMessagingError.inc();
    if (this.options.streamErrorOnInvalidMessage)
      this.streamError(stream, ErrorCode.protocolError, detail);
    else this.connectionError(ErrorCode.protocolError, detail);
  }

  protected sendReset(streamId: number, code: number): void {
    if (this.state === "over") return;
    this.#resetIds.add(streamId);
    this.stats.txReset.inc();
    this.writer.rstStream(streamId, code);
  }

  resetStream(stream: AnyStream, code: number): void {
    if (stream.id !== 0) this.sendReset(stream.id, code);
    this.close(stream);
  }

  /** The stream is over, without an event. */
  close(stream: AnyStream): void {
    if (stream.state === "closed") return;
    this.#forget(stream);
    stream.onClosed();
  }

  #forget(stream: AnyStream): void {
    if (this.streams.delete(stream.id)) this.stats.streamsActive.dec();
    stream.release();
  }

  protected adopt(stream: AnyStream): void {
    this.streams.set(stream.id, stream);
    this.opened++;
    this.stats.streamsActive.inc();
  }

  // === Sending ===

  /** How many of `wanted` octets of DATA may go in a frame now. */
  sendable(streamWindow: number, wanted: number): number {
    if (this.blocked) return 0;
    const count = Math.min(streamWindow, this.#sendWindow, wanted, frameSizeMax);
    return Math.max(count, 0);
  }

  sendData(stream: AnyStream, payload: Uint8Array, end: boolean): void {
    const length = payload.length;
    this.#sendWindow -= length;
    stream.sendWindow -= length;
    this.#dataFramesSent++;
    this.writer.data(stream.id, payload, end);
  }

  /** A field block; `first` and `rest` are flat lists of names and values. */
  sendFields(
    streamId: number,
    first: readonly string[],
    end: boolean,
    rest?: readonly string[],
  ): void {
    const { writer } = this;
    const encoder = this.#encoder;
    const size = this.#fieldsSize(first) + (rest === undefined ? 0 : this.#fieldsSize(rest));
    writer.reserve(frameHeadSize + beginBytesMax + size);
    let at = encoder.begin(writer.bytes, writer.at + frameHeadSize);
    at = this.#encodeFields(first, at);
    if (rest !== undefined) at = this.#encodeFields(rest, at);
    writer.fieldBlock(streamId, at, end);
  }

  #fieldsSize(list: readonly string[]): number {
    let size = 0;
    for (let i = 0; i < list.length; i += 2)
      size += this.#encoder.fieldBytesMax(list[i] as string, list[i + 1] as string);
    return size;
  }

  #encodeFields(list: readonly string[], start: number): number {
    const { bytes } = this.writer;
    const encoder = this.#encoder;
    let at = start;
    for (let i = 0; i < list.length; i += 2)
      at = encoder.field(bytes, at, list[i] as string, list[i + 1] as string);
    return at;
  }

  enqueue(stream: AnyStream): void {
    this.#waiting.push(stream);
    // Its data may have been refused for want of the connection's window only.
    if (this.#sendWindow > 0 && !this.blocked) this.#drain();
  }

  onQueued(octets: number): void {
    this.stats.pendingSendBytes.add(octets);
  }

  #draining = false;

  /** Frame by frame in turn, so that a large answer does not hold up small ones. */
  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    const waiting = this.#waiting;
    let at = 0;
    while (at < waiting.length && this.#sendWindow > 0 && !this.blocked && this.state !== "over") {
      const stream = waiting[at++] as AnyStream;
      stream.queued = false;
      if (stream.takeTurn() && !stream.queued) {
        stream.queued = true;
        waiting.push(stream);
      }
    }
    waiting.splice(0, at);
    this.#draining = false;
  }

  /** The connection's output: at the end of an event. */
  onGather(): void {
    this.#checkOutbound();
    this.writer.handOver();
  }

  #checkOutbound(): void {
    const { options, stats, writer } = this;
    if (writer.controlFrames > options.maxOutboundControlFrames) {
      if (this.state === "over") return;
      stats.outboundControlFlood.inc();
      this.connectionError(ErrorCode.enhanceYourCalm, "http2.outbound_control_frames_flood");
    } else if (writer.frames > options.maxOutboundFrames) {
      if (this.state === "over") return;
      stats.outboundFlood.inc();
      this.connectionError(ErrorCode.enhanceYourCalm, "http2.outbound_frames_flood");
    }
  }

  onUnwritable(): void {
    this.blocked = true;
    for (const stream of [...this.streams.values()]) stream.onConnectionWatermark();
  }

  onWritable(): void {
    this.blocked = false;
    this.#drain();
    for (const stream of [...this.streams.values()]) {
      if (this.blocked) return;
      stream.onConnectionWatermark();
    }
  }

  /** `length` octets of DATA were taken. */
  giveBack(length: number): void {
    this.#owed += length;
    if (this.#owed < this.options.initialConnectionWindowSize >> 1 || this.state === "over") return;
    this.#receiveWindow += this.#owed;
    this.writer.windowUpdate(0, this.#owed);
    this.#owed = 0;
  }

  // === Receiving ===

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    // RFC 9113 §4.3: nothing comes between the frames of a field block.
    if (this.#blockId !== 0 && (type !== FrameType.continuation || streamId !== this.#blockId)) {
      this.#protocolError();
      return;
    }
    // RFC 9113 §3.4.
    if (!this.#settingsSeen && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      this.#protocolError();
      return;
    }
    switch (type) {
      case FrameType.data:
        this.#onWholeData(flags, streamId, bytes, start, end);
        return;
      case FrameType.headers:
        this.#onHeaders(flags, streamId, bytes, start, end);
        return;
      case FrameType.continuation:
        this.#onContinuation(flags, bytes, start, end);
        return;
      case FrameType.windowUpdate:
        this.#onWindowUpdate(streamId, bytes, start, end);
        return;
      default:
        this.#onControl(type, flags, streamId, bytes, start, end);
    }
  }

  #onControl(
    type: number,
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const length = end - start;
    switch (type) {
      case FrameType.rstStream:
        if (length !== 4) this.#frameSizeError();
        else this.#onReset(streamId, readUint32(bytes, start));
        return;
      case FrameType.settings:
        this.#onSettings(flags, streamId, bytes, start, end);
        return;
      case FrameType.ping:
        this.#onPing(flags, streamId, bytes, start, end);
        return;
      case FrameType.priority:
        this.#onPriority(streamId, bytes, start, end);
        return;
      case FrameType.goAway:
        if (streamId !== 0) this.#protocolError();
        else if (length < 8) this.#frameSizeError();
        else this.onPeerGoAway(readUint31(bytes, start), readUint32(bytes, start + 4));
        return;
      case FrameType.pushPromise:
        // RFC 9113 §8.4: clients cannot push, and we have told servers not to.
        this.#protocolError();
        return;
      default:
      // RFC 9113 §5.5: unknown types are ignored.
    }
  }

  onFrameTooLarge(): void {
    this.#frameSizeError();
  }

  #protocolError(): void {
    this.connectionError(ErrorCode.protocolError, "http2.protocol_error");
  }

  #frameSizeError(): void {
    this.connectionError(ErrorCode.frameSizeError, "http2.frame_size_error");
  }

  // === DATA ===

  onDataStart(flags: number, streamId: number, length: number): void {
    if (this.#blockId !== 0 || !this.#settingsSeen) {
      this.#protocolError();
      return;
    }
    this.#emptyFrames = 0;
    this.#dataStream = this.#dataTarget(streamId, length);
    this.#dataEnds = (flags & Flag.endStream) !== 0;
  }

  onDataPart(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const stream = this.#dataStream;
    if (last) this.#dataStream = undefined;
    if (stream === undefined || stream.state === "closed") this.giveBack(end - start);
    else this.#deliver(stream, bytes, start, end, last && this.#dataEnds);
  }

  #onWholeData(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
  ): void {
    const length = payloadEnd - payloadStart;
    let start = payloadStart;
    let end = payloadEnd;
    if ((flags & Flag.padded) !== 0) {
      // In range when there is any payload.
      const padding = length > 0 ? (bytes[start] as number) : 0;
      // RFC 9113 §6.1.
      if (length === 0 || padding >= length) {
        this.#protocolError();
        return;
      }
      start++;
      end -= padding;
    }
    const ends = (flags & Flag.endStream) !== 0;
    if (start === end && !ends) {
      if (this.#isEmptyFlood()) return;
    } else this.#emptyFrames = 0;
    const stream = this.#dataTarget(streamId, length);
    if (stream === undefined) {
      this.giveBack(length);
      return;
    }
    const padding = length - (end - start);
    if (padding > 0) stream.taken(padding);
    if (end > start || ends) this.#deliver(stream, bytes, start, end, ends);
  }

  /** The stream a DATA frame is for, charged with it; undefined: the frame is to be dropped. */
  #dataTarget(streamId: number, length: number): AnyStream | undefined {
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) {
      this.connectionError(ErrorCode.flowControlError, "http2.flow_control_error");
      return undefined;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#onUnknownStream(streamId);
      return undefined;
    }
    if (stream.remoteEnded) {
      // RFC 9113 §5.1, half-closed (remote).
      this.streamError(stream, ErrorCode.streamClosed, "http2.stream_closed");
      return undefined;
    }
    if (!stream.charge(length)) {
      this.streamError(stream, ErrorCode.flowControlError, "http2.flow_control_error");
      return undefined;
    }
    if (!stream.expectsData) {
      this.messagingError(stream, "http2.violation.of.messaging.rule");
      return undefined;
    }
    return stream;
  }

  /** RFC 9113 §5.1: DATA or HEADERS for a stream that is idle or closed. */
  #onUnknownStream(streamId: number): void {
    if (streamId === 0 || this.isIdle(streamId)) this.#protocolError();
    else if (!this.#resetIds.has(streamId))
      this.connectionError(ErrorCode.streamClosed, "http2.stream_closed");
  }

  #deliver(stream: AnyStream, bytes: Uint8Array, start: number, end: number, ends: boolean): void {
    const length = end - start;
    if (stream.bodyLeft !== -1) {
      stream.bodyLeft -= length;
      // RFC 9113 §8.1.1.
      if (stream.bodyLeft < 0 || (ends && stream.bodyLeft > 0)) {
        this.giveBack(length);
        this.messagingError(stream, "http2.violation.of.messaging.rule");
        return;
      }
    }
    if (ends) stream.endRemote();
    stream.sink?.onData(bytes.subarray(start, end), ends);
    stream.taken(length);
    if (ends) stream.settle();
  }

  #isEmptyFlood(): boolean {
    if (++this.#emptyFrames <= this.options.maxConsecutiveInboundFramesWithEmptyPayload)
      return false;
    this.stats.inboundEmptyFramesFlood.inc();
    this.connectionError(ErrorCode.enhanceYourCalm, "http2.inbound_empty_frames_flood");
    return true;
  }

  // === HEADERS ===

  #onHeaders(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
  ): void {
    let start = payloadStart;
    let end = payloadEnd;
    if (streamId === 0) {
      this.#protocolError();
      return;
    }
    if ((flags & (Flag.padded | Flag.priority)) !== 0) {
      if ((flags & Flag.padded) !== 0 && start < end) end -= bytes[start++] as number;
      else if ((flags & Flag.padded) !== 0) end = -1;
      if ((flags & Flag.priority) !== 0) {
        // RFC 7540 §5.3.1: a stream cannot depend on itself.
        if (start + 5 <= end && readUint31(bytes, start) === streamId) end = -1;
        start += 5;
      }
      if (start > end) {
        this.#protocolError();
        return;
      }
    }
    const ends = (flags & Flag.endStream) !== 0;
    if (start === end && !ends) {
      if (this.#isEmptyFlood()) return;
    } else this.#emptyFrames = 0;
    if ((flags & Flag.endHeaders) !== 0) {
      this.onFieldBlock(streamId, ends, bytes, start, end);
      return;
    }
    this.#blockId = streamId;
    this.#blockEnds = ends;
    this.#blockSize = 0;
    this.#blockFrames = 0;
    this.#keepBlock(bytes, start, end);
  }

  #keepBlock(bytes: Uint8Array, start: number, end: number): void {
    this.#blockSize += end - start;
    // The block cannot be skipped without the decoder losing step with the peer's encoder, so the connection goes.
    if (++this.#blockFrames > continuationsMax || this.#blockSize > this.options.fieldBytesMax) {
      this.stats.headerOverflow.inc();
      this.connectionError(ErrorCode.enhanceYourCalm, "http2.headers_too_large");
      return;
    }
    this.#block.push(bytes.slice(start, end));
  }

  #onContinuation(flags: number, bytes: Uint8Array, start: number, end: number): void {
    const streamId = this.#blockId;
    if (streamId === 0) {
      this.#protocolError();
      return;
    }
    if (start === end) {
      if (this.#isEmptyFlood()) return;
    } else this.#emptyFrames = 0;
    this.#keepBlock(bytes, start, end);
    if ((flags & Flag.endHeaders) === 0 || this.state === "over") return;
    const block = Buffer.concat(this.#block);
    this.#block = [];
    this.#blockId = 0;
    this.onFieldBlock(streamId, this.#blockEnds, block, 0, block.length);
  }

  /** Returns false when the connection has broken over it. */
  protected decode(sink: HpackFieldSink, bytes: Uint8Array, start: number, end: number): boolean {
    const problem = this.#decoder.decode(bytes, start, end, sink);
    if (problem === undefined) return true;
    this.connectionError(ErrorCode.compressionError, problem);
    return false;
  }

  protected decodeSection(
    section: FieldSection,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    section.begin();
    return this.decode(section, bytes, start, end);
  }

  /** A block for a stream that is over: decoded, for the table's sake, and dropped. */
  protected onLateBlock(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.decodeSection(this.#trailerSection, bytes, start, end))
      this.#onUnknownStream(streamId);
  }

  protected onTrailerBlock(
    stream: AnyStream,
    ends: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const section = this.#trailerSection;
    if (!this.decodeSection(section, bytes, start, end)) return;
    if (stream.remoteEnded) {
      this.streamError(stream, ErrorCode.streamClosed, "http2.stream_closed");
      return;
    }
    if (section.overflow !== undefined) {
      this.onOverflow(stream, section.overflow);
      return;
    }
    // RFC 9113 §8.1: trailers end the stream; §8.1.1: and the body is as long as it was said to be.
    if (section.problem !== undefined || !ends || stream.bodyLeft > 0) {
      this.messagingError(stream, section.problem ?? "http2.violation.of.messaging.rule");
      return;
    }
    this.stats.trailers.inc();
    stream.endRemote();
    stream.sink?.onTrailers(section.trailers());
    stream.settle();
  }

  protected onOverflow(stream: AnyStream, detail: string): void {
    this.stats.headerOverflow.inc();
    this.sendReset(stream.id, ErrorCode.enhanceYourCalm);
    this.abort(stream, "overflow", detail);
  }

  // === Control frames ===

  #onReset(streamId: number, code: number): void {
    if (streamId === 0 || this.isIdle(streamId)) {
      this.#protocolError();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    this.stats.rxReset.inc();
    if (code === ErrorCode.refusedStream) this.stats.streamRefusedErrors.inc();
    this.onStreamReset(stream, code);
  }

  #onSettings(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (streamId !== 0) {
      this.#protocolError();
      return;
    }
    const isAck = (flags & Flag.ack) !== 0;
    if ((end - start) % 6 !== 0 || (isAck && end > start)) {
      this.#frameSizeError();
      return;
    }
    if (isAck) {
      this.#decoder.onSettingsAcknowledged();
      return;
    }
    this.#settingsSeen = true;
    for (let at = start; at < end && this.state !== "over"; at += 6)
      this.#onSetting(readUint16(bytes, at), readUint32(bytes, at + 2));
    if (this.state !== "over") this.writer.settingsAck();
  }

  /** RFC 9113 §6.5.2. */
  #onSetting(setting: number, value: number): void {
    switch (setting) {
      case Setting.headerTableSize:
        this.#encoder.setPeerTableSize(value);
        return;
      case Setting.initialWindowSize:
        this.#onInitialWindow(value);
        return;
      case Setting.maxFrameSize:
        if (value < frameSizeMax || value > 0xff_ffff) this.#protocolError();
        return;
      case Setting.enablePush:
      case Setting.enableConnectProtocol:
        if (value > 1) this.#protocolError();
        else this.onPeerSetting(setting, value);
        return;
      default:
        this.onPeerSetting(setting, value);
    }
  }

  /** RFC 9113 §6.9.2. */
  #onInitialWindow(value: number): void {
    if (value > windowMax) {
      this.connectionError(ErrorCode.flowControlError, "http2.flow_control_error");
      return;
    }
    const change = value - this.peerInitialWindow;
    this.peerInitialWindow = value;
    for (const stream of this.streams.values()) {
      if (stream.widen(change)) continue;
      this.connectionError(ErrorCode.flowControlError, "http2.flow_control_error");
      return;
    }
  }

  #onPing(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId !== 0) this.#protocolError();
    else if (end - start !== 8) this.#frameSizeError();
    else if ((flags & Flag.ack) !== 0) this.onPong();
    else this.writer.ping(bytes.subarray(start, end), true);
  }

  #onPriority(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId === 0) this.#protocolError();
    else if (end - start !== 5) {
      const stream = this.streams.get(streamId);
      if (stream === undefined) this.#frameSizeError();
      else this.streamError(stream, ErrorCode.frameSizeError, "http2.frame_size_error");
    } else if (readUint31(bytes, start) === streamId) this.#protocolError();
    else if (
      ++this.#priorityFrames >
      this.options.maxInboundPriorityFramesPerStream * (1 + this.opened)
    ) {
      this.stats.inboundPriorityFramesFlood.inc();
      this.connectionError(ErrorCode.enhanceYourCalm, "http2.inbound_priority_frames_flood");
    }
  }

  #onWindowUpdate(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (end - start !== 4) {
      this.#frameSizeError();
      return;
    }
    const { maxInboundWindowUpdateFramesPerDataFrameSent: perDataFrame } = this.options;
    if (++this.#windowUpdates > 5 + 2 * (this.opened + perDataFrame * this.#dataFramesSent)) {
      this.stats.inboundWindowUpdateFramesFlood.inc();
      this.connectionError(ErrorCode.enhanceYourCalm, "http2.inbound_window_update_frames_flood");
      return;
    }
    const increment = readUint31(bytes, start);
    if (streamId === 0) this.#widen(increment);
    else this.#widenStream(streamId, increment);
  }

  #widen(increment: number): void {
    if (increment === 0) {
      this.#protocolError();
      return;
    }
    this.#sendWindow += increment;
    if (this.#sendWindow > windowMax)
      this.connectionError(ErrorCode.flowControlError, "http2.flow_control_error");
    else this.#drain();
  }

  #widenStream(streamId: number, increment: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.#protocolError();
      return;
    }
    if (increment === 0) this.streamError(stream, ErrorCode.protocolError, "http2.protocol_error");
    else if (!stream.widen(increment))
      this.streamError(stream, ErrorCode.flowControlError, "http2.flow_control_error");
  }
}

export const noticeId: number = streamIdMax;
