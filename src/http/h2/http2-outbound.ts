import type { ResetReason } from "../message.ts";
import { Detail } from "./details.ts";
import { type FrameSink, FrameWriter } from "./frame-writer.ts";
import {
  defaultWindow,
  ErrorCode,
  frameHeadSize,
  frameSizeMax,
  Setting,
  windowMax,
} from "./frames.ts";
import { beginBytesMax, HpackEncoder } from "./hpack-encoder.ts";
import type { Http2Options, Http2Services, Http2Stats } from "./http2-options.ts";
import { RecentIds } from "./recent-ids.ts";
import type { Http2Stream, MessageSink } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

export type AnyStream = Http2Stream<MessageSink>;

/**
 * "noticed": a GOAWAY without effect has announced the next. "going": no new streams. "over": broken or at its end; what comes is
 * thrown away.
 */
export type ConnectionState = "open" | "noticed" | "going" | "over";

/** Streams whose buffers may be full at the same time. */
const crowdFactor = 16;
const pingPayload: Uint8Array = new Uint8Array(8);

/** The sending half of a connection: its streams, their turns, errors and ends. */
export abstract class Http2Outbound {
  readonly options: Http2Options;
  readonly stats: Http2Stats;
  readonly writer: FrameWriter;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The window of a new stream as the peer's SETTINGS say. */
  peerInitialWindow: number = defaultWindow;
  /** The connection's unsent bytes are above the watermark: DATA waits in its streams. */
  blocked = false;
  protected readonly streams: StreamTable<AnyStream> = new StreamTable();
  protected state: ConnectionState = "open";
  /** Streams there have been. */
  protected opened = 0;
  protected dataFramesSent = 0;
  protected readonly encoder: HpackEncoder;
  protected readonly resetIds: RecentIds = new RecentIds();
  #sendWindow = defaultWindow;
  /** Octets of DATA that wait in the streams. */
  #pending = 0;
  /** Streams with something to send and a window for it, in turn. */
  #waiting: AnyStream[] = [];
  /** Someone further up the stack drains, or will. */
  #draining = false;

  constructor(options: Http2Options, services: Http2Services, output: FrameSink) {
    this.options = options;
    this.stats = services.stats;
    this.now = services.now;
    this.writer = new FrameWriter(output, this);
    this.encoder = new HpackEncoder({ tableSizeMax: options.hpackTableSize });
  }

  /** Streams not yet over, those included whose last bytes still wait for the peer's window. */
  get active(): number {
    return this.streams.size;
  }

  /** The peer's last stream of which anything was done. */
  protected abstract readonly lastProcessed: number;
  /** `length` octets of DATA were taken. */
  abstract giveBack(length: number): void;
  protected abstract stopReading(): void;
  /** Every stream has been told; the connection closes when what is written has left. */
  protected abstract onBroken(detail: string): void;

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
    this.#break(code, detail);
    this.onBroken(detail);
  }

  #break(code: number, detail: string): void {
    this.sendGoAway(this.lastProcessed, code);
    this.finish("protocol", detail);
  }

  /** Tell every stream that it is over, and read nothing more. */
  protected finish(reason: ResetReason, detail: string): void {
    this.state = "over";
    this.#waiting = [];
    this.stopReading();
    for (const stream of this.streams.values()) this.abort(stream, reason, detail);
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
    this.resetIds.add(streamId);
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
    // A client's stream has no id, and no place among them, before it begins.
    if (stream.id !== 0 && this.streams.delete(stream.id)) this.stats.streamsActive.dec();
    stream.release();
  }

  protected adopt(stream: AnyStream): void {
    this.streams.set(stream.id, stream);
    this.opened++;
    this.stats.streamsActive.inc();
  }

  // === Sending ===

  /** So much waits that no stream may add to what it has: a client can open hundreds and take from none. */
  get crowded(): boolean {
    return this.#pending > crowdFactor * this.options.streamBufferLimit;
  }

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
    this.dataFramesSent++;
    stream.meter.wireSent += frameHeadSize + length;
    this.writer.data(stream.id, payload, end);
  }

  /** A field block; `first` and `rest` are flat lists of names and values. */
  sendFields(
    stream: AnyStream,
    first: readonly string[],
    end: boolean,
    rest?: readonly string[],
  ): void {
    const { writer } = this;
    const encoder = this.encoder;
    const size = this.#fieldsSize(first) + (rest === undefined ? 0 : this.#fieldsSize(rest));
    writer.reserve(frameHeadSize + beginBytesMax + size);
    let at = encoder.begin(writer.bytes, writer.at + frameHeadSize);
    at = this.#encodeFields(first, at);
    if (rest !== undefined) at = this.#encodeFields(rest, at);
    stream.meter.countHeaderSent(at - writer.at, at - writer.at);
    writer.fieldBlock(stream.id, at, end);
  }

  #fieldsSize(list: readonly string[]): number {
    let size = 0;
    for (let i = 0; i < list.length; i += 2)
      size += this.encoder.fieldBytesMax(list[i] as string, list[i + 1] as string);
    return size;
  }

  #encodeFields(list: readonly string[], start: number): number {
    const { bytes } = this.writer;
    const encoder = this.encoder;
    let at = start;
    for (let i = 0; i < list.length; i += 2)
      at = encoder.field(bytes, at, list[i] as string, list[i + 1] as string);
    return at;
  }

  enqueue(stream: AnyStream): void {
    this.#waiting.push(stream);
    // Its data may have been refused for want of the connection's window only.
    if (this.#sendWindow > 0 && !this.blocked) this.drain();
  }

  onQueued(octets: number): void {
    this.#pending += octets;
    this.stats.pendingSendBytes.add(octets);
  }

  /** Frame by frame in turn, so that a large answer does not hold up small ones. */
  drain(): void {
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
    const { writer } = this;
    writer.settle();
    const flood = this.#outboundFlood();
    if (flood !== undefined) this.#break(ErrorCode.enhanceYourCalm, flood);
    writer.handOver();
    // Now the connection can be closed behind the GOAWAY. Who does so may write to others: the buffers wait.
    if (flood !== undefined) this.onBroken(flood);
    else writer.release();
  }

  #outboundFlood(): string | undefined {
    const { options, stats, writer } = this;
    if (this.state === "over") return undefined;
    if (writer.controlFrames > options.maxOutboundControlFrames) {
      stats.outboundControlFlood.inc();
      return Detail.controlFlood;
    }
    if (writer.frames <= options.maxOutboundFrames) return undefined;
    stats.outboundFlood.inc();
    return Detail.outboundFlood;
  }

  onUnwritable(): void {
    this.blocked = true;
    for (const stream of this.streams.values()) stream.onConnectionWatermark();
  }

  onWritable(): void {
    this.blocked = false;
    this.drain();
    for (const stream of this.streams.values()) {
      if (this.blocked) return;
      stream.onConnectionWatermark();
    }
  }

  /** RFC 9113 §6.9. Returns false when it is more than there can be. */
  protected widenConnection(increment: number): boolean {
    this.#sendWindow += increment;
    if (this.#sendWindow > windowMax) return false;
    this.drain();
    return true;
  }

  /** While held, streams that get a window wait. */
  protected holdDrain(hold: boolean): void {
    this.#draining = hold;
    if (!hold) this.drain();
  }

  /** Reset streams whose last bytes have waited for the peer's window for so long; their producers are done (tx_flush_timeout). */
  resetStalled(stalledMs: number): void {
    const before = this.now() - stalledMs;
    for (const stream of this.streams.values()) {
      if (!stream.isStalled(before)) continue;
      this.stats.txFlushTimeout.inc();
      this.resetStream(stream, ErrorCode.cancel);
    }
  }
}
