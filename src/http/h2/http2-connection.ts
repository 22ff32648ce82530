import { Detail } from "./details.ts";
import { type FieldSection, TrailerSection } from "./field-section.ts";
import { type FrameHandler, FrameReader } from "./frame-reader.ts";
import type { FrameSink } from "./frame-writer.ts";
import { ErrorCode, Flag, FrameType, frameHeadSize, frameSizeMax, readUint31 } from "./frames.ts";
import type { HpackFieldSink } from "./hpack-decoder.ts";
import { Http2Control } from "./http2-control.ts";
import type { Http2Options, Http2Services } from "./http2-options.ts";
import type { AnyStream } from "./http2-outbound.ts";

/** A field block in more frames than this, and those that a block of twice the limit fills, is an attack. */
const blockFramesMin = 8;

/** One HTTP/2 connection: what both roles share (RFC 9113). Bytes in, events out; no socket, no timer. */
export abstract class Http2Connection extends Http2Control implements FrameHandler {
  readonly protocol = 20;
  protected readonly reader: FrameReader;
  /** The highest id the client has used. */
  protected lastId = 0;
  readonly #trailerSection: TrailerSection;
  #receiveWindow: number;
  #owed = 0;
  /** Where the parts of a DATA frame go. */
  #dataStream: AnyStream | undefined = undefined;
  #dataEnds = false;
  /** A field block that goes on in CONTINUATION frames. */
  #blockId = 0;
  #blockEnds = false;
  #block: Uint8Array[] = [];
  #blockFrames = 0;
  #emptyFrames = 0;

  constructor(options: Http2Options, services: Http2Services, output: FrameSink) {
    super(options, services, output);
    this.reader = new FrameReader(this);
    this.#trailerSection = new TrailerSection(options);
    this.#receiveWindow = options.initialConnectionWindowSize;
  }

  protected abstract onFieldBlock(
    streamId: number,
    end: boolean,
    bytes: Uint8Array,
    start: number,
    blockEnd: number,
  ): void;

  protected stopReading(): void {
    this.reader.stop();
    this.#block = [];
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
      this.protocolError();
      return;
    }
    // RFC 9113 §3.4.
    if (!this.settingsSeen && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      this.protocolError();
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
        this.onWindowUpdate(streamId, bytes, start, end);
        return;
      default:
        this.onControl(type, flags, streamId, bytes, start, end);
    }
  }

  onFrameTooLarge(): void {
    this.frameSizeError();
  }

  // === DATA ===

  /** `length` octets of DATA were taken. */
  giveBack(length: number): void {
    this.#owed += length;
    if (this.#owed < this.options.initialConnectionWindowSize >> 1 || this.state === "over") return;
    this.#receiveWindow += this.#owed;
    this.writer.windowUpdate(0, this.#owed);
    this.#owed = 0;
  }

  onDataStart(flags: number, streamId: number, length: number): void {
    if (this.#blockId !== 0 || !this.settingsSeen) {
      this.protocolError();
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
        this.protocolError();
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
      this.connectionError(ErrorCode.flowControlError, Detail.flowControl);
      return undefined;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#onUnknownStream(streamId);
      return undefined;
    }
    if (stream.remoteEnded) {
      // RFC 9113 §5.1, half-closed (remote).
      this.streamError(stream, ErrorCode.streamClosed, Detail.streamClosed);
      return undefined;
    }
    if (!stream.charge(length)) {
      this.streamError(stream, ErrorCode.flowControlError, Detail.flowControl);
      return undefined;
    }
    if (!stream.expectsData) {
      this.messagingError(stream, Detail.messaging);
      return undefined;
    }
    return stream;
  }

  /** RFC 9113 §5.1: DATA or HEADERS for a stream that is idle or closed. */
  #onUnknownStream(streamId: number): void {
    if (streamId === 0 || this.isIdle(streamId)) this.protocolError();
    else if (!this.resetIds.has(streamId))
      this.connectionError(ErrorCode.streamClosed, Detail.streamClosed);
  }

  #deliver(stream: AnyStream, bytes: Uint8Array, start: number, end: number, ends: boolean): void {
    const length = end - start;
    if (stream.bodyLeft !== -1) {
      stream.bodyLeft -= length;
      // RFC 9113 §8.1.1.
      if (stream.bodyLeft < 0 || (ends && stream.bodyLeft > 0)) {
        this.giveBack(length);
        // The stream's error even where Envoy makes others the connection's.
        this.streamError(stream, ErrorCode.protocolError, Detail.remoteReset);
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
    this.connectionError(ErrorCode.enhanceYourCalm, Detail.emptyFramesFlood);
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
      this.protocolError();
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
        this.protocolError();
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
    this.#blockFrames = 0;
    this.#keepBlock(bytes, start, end);
  }

  #keepBlock(bytes: Uint8Array, start: number, end: number): void {
    // The block cannot be skipped without the decoder losing step with the peer's encoder, so the connection goes. There is room for
    // some that are too large: they cost their stream only.
    const framesMax = blockFramesMin + (2 * this.options.fieldBytesMax) / frameSizeMax;
    if (++this.#blockFrames > framesMax) {
      this.stats.headerOverflow.inc();
      this.connectionError(ErrorCode.enhanceYourCalm, Detail.tooLarge);
      return;
    }
    this.#block.push(bytes.slice(start, end));
  }

  #onContinuation(flags: number, bytes: Uint8Array, start: number, end: number): void {
    const streamId = this.#blockId;
    if (streamId === 0) {
      this.protocolError();
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
    const problem = this.decoder.decode(bytes, start, end, sink);
    if (problem === undefined) return true;
    this.connectionError(ErrorCode.compressionError, `codec_error:${problem.replaceAll(" ", "_")}`);
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
    const size = frameHeadSize + end - start;
    stream.meter.countHeaderReceived(size, size);
    if (!this.decodeSection(section, bytes, start, end)) return;
    if (stream.remoteEnded) {
      this.streamError(stream, ErrorCode.streamClosed, Detail.streamClosed);
      return;
    }
    if (section.overflow !== undefined) {
      this.onOverflow(stream, section.overflow);
      return;
    }
    // RFC 9113 §8.1: trailers end the stream; §8.1.1: and the body is as long as it was said to be.
    if (section.problem !== undefined || !ends || stream.bodyLeft > 0) {
      this.messagingError(stream, section.problem ?? Detail.messaging);
      return;
    }
    this.stats.trailers.inc();
    stream.endRemote();
    stream.sink?.onTrailers(section.trailers());
    stream.settle();
  }

  protected onOverflow(stream: AnyStream, detail: string): void {
    this.resetForOverflow(stream.id, detail);
    this.abort(stream, "overflow", detail);
  }

  /** With Envoy's error code. */
  protected resetForOverflow(streamId: number, detail: string): void {
    if (detail === Detail.tooLarge) this.stats.headerListSizeTooLarge.inc();
    else this.stats.headerOverflow.inc();
    this.sendReset(streamId, ErrorCode.internalError);
  }
}
