import { Detail } from "./details.ts";
import type { FrameSink } from "./frame-writer.ts";
import {
  ErrorCode,
  Flag,
  FrameType,
  frameSizeMax,
  readUint16,
  readUint31,
  readUint32,
  Setting,
  windowMax,
} from "./frames.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import type { Http2Options, Http2Services } from "./http2-options.ts";
import { type AnyStream, Http2Outbound } from "./http2-outbound.ts";

/** Settings in a frame; nghttp2's figure. */
const settingsMax = 32;

/** The frames that carry no message: all but DATA, HEADERS and CONTINUATION. */
export abstract class Http2Control extends Http2Outbound {
  protected readonly decoder: HpackDecoder;
  /** RFC 9113 §3.4: a SETTINGS frame is the first. */
  protected settingsSeen = false;
  #priorityFrames = 0;
  #windowUpdates = 0;

  constructor(options: Http2Options, services: Http2Services, output: FrameSink) {
    super(options, services, output);
    this.decoder = new HpackDecoder({ tableSizeMax: options.hpackTableSize });
  }

  protected abstract onPeerSetting(setting: number, value: number): void;
  protected abstract onPeerGoAway(lastStreamId: number, code: number): void;
  protected abstract onPong(): void;
  protected abstract onStreamReset(stream: AnyStream, code: number): void;
  /** RFC 9113 §5.1.1: no frame has opened it yet. */
  protected abstract isIdle(streamId: number): boolean;

  protected onControl(
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
        if (length !== 4) this.frameSizeError();
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
        if (streamId !== 0) this.protocolError();
        else if (length < 8) this.frameSizeError();
        else this.onPeerGoAway(readUint31(bytes, start), readUint32(bytes, start + 4));
        return;
      case FrameType.pushPromise:
        // RFC 9113 §8.4: clients cannot push, and we have told servers not to.
        this.protocolError();
        return;
      default:
      // RFC 9113 §5.5: unknown types are ignored.
    }
  }

  protected protocolError(): void {
    this.connectionError(ErrorCode.protocolError, Detail.protocol);
  }

  protected frameSizeError(): void {
    this.connectionError(ErrorCode.frameSizeError, Detail.frameSize);
  }

  // === Control frames ===

  #onReset(streamId: number, code: number): void {
    if (streamId === 0 || this.isIdle(streamId)) {
      this.protocolError();
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
      this.protocolError();
      return;
    }
    const isAck = (flags & Flag.ack) !== 0;
    if ((end - start) % 6 !== 0 || (isAck && end > start)) {
      this.frameSizeError();
      return;
    }
    if (isAck) {
      this.decoder.onSettingsAcknowledged();
      return;
    }
    // A change of the window concerns every stream: many in a frame are out of proportion to their octets.
    if (end - start > 6 * settingsMax) {
      this.connectionError(ErrorCode.enhanceYourCalm, Detail.tooManySettings);
      return;
    }
    this.settingsSeen = true;
    // The acknowledgement leaves before what the new settings allow.
    this.holdDrain(true);
    for (let at = start; at < end && this.state !== "over"; at += 6)
      this.#onSetting(readUint16(bytes, at), readUint32(bytes, at + 2));
    if (this.state !== "over") this.writer.settingsAck();
    this.holdDrain(false);
  }

  /** RFC 9113 §6.5.2. */
  #onSetting(setting: number, value: number): void {
    switch (setting) {
      case Setting.headerTableSize:
        this.encoder.setPeerTableSize(value);
        return;
      case Setting.initialWindowSize:
        this.#onInitialWindow(value);
        return;
      case Setting.maxFrameSize:
        if (value < frameSizeMax || value > 0xff_ffff) this.protocolError();
        return;
      case Setting.enablePush:
      case Setting.enableConnectProtocol:
        if (value > 1) this.protocolError();
        else this.onPeerSetting(setting, value);
        return;
      default:
        this.onPeerSetting(setting, value);
    }
  }

  /** RFC 9113 §6.9.2. */
  #onInitialWindow(value: number): void {
    if (value > windowMax) {
      this.connectionError(ErrorCode.flowControlError, Detail.flowControl);
      return;
    }
    const change = value - this.peerInitialWindow;
    this.peerInitialWindow = value;
    for (const stream of this.streams.values()) {
      if (stream.widen(change)) continue;
      this.connectionError(ErrorCode.flowControlError, Detail.flowControl);
      return;
    }
  }

  #onPing(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId !== 0) this.protocolError();
    else if (end - start !== 8) this.frameSizeError();
    else if ((flags & Flag.ack) !== 0) this.onPong();
    else this.writer.ping(bytes.subarray(start, end), true);
  }

  #onPriority(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId === 0) this.protocolError();
    else if (end - start !== 5) {
      const stream = this.streams.get(streamId);
      if (stream === undefined) this.frameSizeError();
      else this.streamError(stream, ErrorCode.frameSizeError, Detail.frameSize);
    } else if (readUint31(bytes, start) === streamId) this.protocolError();
    else if (
      ++this.#priorityFrames >
      this.options.maxInboundPriorityFramesPerStream * (1 + this.opened)
    ) {
      this.stats.inboundPriorityFramesFlood.inc();
      this.connectionError(ErrorCode.enhanceYourCalm, Detail.priorityFlood);
    }
  }

  protected onWindowUpdate(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (end - start !== 4) {
      this.frameSizeError();
      return;
    }
    const { maxInboundWindowUpdateFramesPerDataFrameSent: perDataFrame } = this.options;
    if (++this.#windowUpdates > 5 + 2 * (this.opened + perDataFrame * this.dataFramesSent)) {
      this.stats.inboundWindowUpdateFramesFlood.inc();
      this.connectionError(ErrorCode.enhanceYourCalm, Detail.windowUpdateFlood);
      return;
    }
    const increment = readUint31(bytes, start);
    if (streamId === 0) this.#widen(increment);
    else this.#widenStream(streamId, increment);
  }

  #widen(increment: number): void {
    if (increment === 0) {
      this.protocolError();
      return;
    }
    if (!this.widenConnection(increment))
      this.connectionError(ErrorCode.flowControlError, Detail.flowControl);
  }

  #widenStream(streamId: number, increment: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.protocolError();
      return;
    }
    if (increment === 0) this.streamError(stream, ErrorCode.protocolError, Detail.protocol);
    else if (!stream.widen(increment))
      this.streamError(stream, ErrorCode.flowControlError, Detail.flowControl);
  }
}
