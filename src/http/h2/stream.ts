import { ByteMeter } from "../byte-meter.ts";
import type { HeaderList } from "../headers.ts";
import type { OutgoingStream, ResetReason } from "../message.ts";
import { ErrorCode, frameHeadSize } from "./frames.ts";
import type { Http2Outbound } from "./http2-outbound.ts";

/** What the sinks of requests and responses share. */
export interface MessageSink {
  onData(chunk: Uint8Array, end: boolean): void;
  onTrailers(trailers: HeaderList): void;
  onReset(reason: ResetReason, detail: string): void;
  onWritable(): void;
  onUnwritable(): void;
}

/** What waits for the peer's windows. */
class SendQueue {
  readonly chunks: Uint8Array[] = [];
  /** Octets of the first chunk that have left. */
  offset = 0;
  size = 0;
  end = false;
  trailers: HeaderList | undefined = undefined;
  /** When anything of it left last. */
  movedMs = 0;
}

/**
 * RFC 9113 §5.1 without the idle and reserved states. "ended": both sides have, and the sink is about to be told. "closed": no event
 * follows, and whatever is called does nothing.
 */
export type StreamState = "open" | "local-ended" | "remote-ended" | "ended" | "closed";

const noOctets: Uint8Array = new Uint8Array(0);

/**
 * One stream: its windows, what waits for them, and how far each side has come. RFC 9113 §5.2: what is received is given back to
 * the peer's window as the sink takes it, so that a paused stream stops its sender.
 */
export abstract class Http2Stream<Sink extends MessageSink> implements OutgoingStream {
  /** 0 until the client's HEADERS leave. */
  id: number;
  state: StreamState = "open";
  readonly meter: ByteMeter = new ByteMeter();
  /** What the peer lets us send; below zero after it lowered its initial window (RFC 9113 §6.9.2). */
  sendWindow: number;
  /** Among the connection's streams that have something to send and a window for it. */
  queued = false;
  /** Octets of the body that content-length still promises; -1: it promised nothing. */
  bodyLeft = -1;
  /** The head of the message is there. */
  expectsData = true;
  protected readonly connection: Http2Outbound;
  sink: Sink | undefined = undefined;
  #receiveWindow: number;
  /** Taken by the sink and not yet given back to the peer. */
  #owed = 0;
  /** Received while paused. */
  #withheld = 0;
  #paused = 0;
  #queue: SendQueue | undefined = undefined;
  /** The producer has been told to stop. */
  #unwritable = false;

  constructor(connection: Http2Outbound, id: number) {
    this.connection = connection;
    this.id = id;
    this.sendWindow = connection.peerInitialWindow;
    this.#receiveWindow = connection.options.initialStreamWindowSize;
  }

  /** Of a message that is given up. */
  protected abstract readonly abortCode: number;
  /** Our side is over before the peer's. */
  protected abstract onLocalEnd(): void;
  /** The stream has left the connection. */
  abstract onClosed(): void;

  get remoteEnded(): boolean {
    return this.state !== "open" && this.state !== "local-ended";
  }

  get localEnded(): boolean {
    return this.state !== "open" && this.state !== "remote-ended";
  }

  // === Receiving ===

  /** Count a whole DATA frame's payload. Returns false when the peer sent more than it may. */
  charge(length: number): boolean {
    this.#receiveWindow -= length;
    this.meter.wireReceived += frameHeadSize + length;
    return this.#receiveWindow >= 0;
  }

  /** The peer's side is over; the caller tells the sink, and then calls `settle`. */
  endRemote(): void {
    if (this.state === "open") this.state = "remote-ended";
    else if (this.state === "local-ended") this.state = "ended";
  }

  /** The sink has got what came. */
  settle(): void {
    if (this.state === "ended") this.connection.close(this);
  }

  /** `length` octets were given to the sink, or were padding. */
  taken(length: number): void {
    if (this.#paused > 0) this.#withheld += length;
    else this.#giveBack(length);
  }

  #giveBack(length: number): void {
    this.connection.giveBack(length);
    if (this.remoteEnded) return;
    this.#owed += length;
    const { initialStreamWindowSize } = this.connection.options;
    if (this.#owed < initialStreamWindowSize >> 1) return;
    this.#receiveWindow += this.#owed;
    this.connection.writer.windowUpdate(this.id, this.#owed);
    this.#owed = 0;
  }

  pause(): void {
    this.#paused++;
  }

  resume(): void {
    if (this.#paused === 0 || --this.#paused > 0 || this.#withheld === 0) return;
    const withheld = this.#withheld;
    this.#withheld = 0;
    this.#giveBack(withheld);
  }

  // === Sending ===

  sendData(chunk: Uint8Array, end: boolean): void {
    if (this.localEnded || this.#queue?.end === true) return;
    let sent = 0;
    if (this.#queue === undefined) {
      sent = this.#sendNow(chunk, end);
      if (sent === chunk.length) return;
    }
    this.#enqueue(sent === 0 ? chunk : chunk.subarray(sent), end);
  }

  /** As much as the windows take; returns the octets sent. */
  #sendNow(chunk: Uint8Array, end: boolean): number {
    const length = chunk.length;
    if (length === 0 && end) this.connection.sendData(this, chunk, true);
    let sent = 0;
    while (sent < length) {
      const count = this.connection.sendable(this.sendWindow, length - sent);
      if (count === 0) return sent;
      const piece = count === length ? chunk : chunk.subarray(sent, sent + count);
      sent += count;
      this.connection.sendData(this, piece, end && sent === length);
    }
    if (end) this.endLocal();
    return sent;
  }

  #enqueue(rest: Uint8Array, end: boolean): void {
    this.#queue ??= new SendQueue();
    const queue = this.#queue;
    // The caller's chunk is valid only during the call.
    if (rest.length > 0) queue.chunks.push(new Uint8Array(rest));
    queue.size += rest.length;
    queue.end = end;
    queue.movedMs = this.connection.now();
    this.connection.onQueued(rest.length);
    this.#queueForTurn();
    this.#tellProducer();
  }

  #queueForTurn(): void {
    if (this.queued || this.#queue === undefined) return;
    if (this.sendWindow <= 0 && this.#queue.size > 0) return;
    this.queued = true;
    this.connection.enqueue(this);
  }

  sendTrailers(trailers: HeaderList): void {
    const queue = this.#queue;
    if (this.localEnded || queue?.end === true) return;
    if (queue !== undefined) {
      queue.trailers = trailers;
      queue.end = true;
      this.#queueForTurn();
      return;
    }
    this.#writeTrailers(trailers);
  }

  #writeTrailers(trailers: HeaderList): void {
    if (trailers.list.length === 0) this.connection.sendData(this, noOctets, true);
    else this.connection.sendFields(this, trailers.list, true);
    this.endLocal();
  }

  /** One turn of those that wait: a frame. Returns whether the stream wants another turn. */
  takeTurn(): boolean {
    const queue = this.#queue;
    if (queue === undefined || this.state === "closed") return false;
    const chunk = queue.chunks[0];
    if (chunk === undefined) {
      this.#endQueue(queue);
      return false;
    }
    const count = this.connection.sendable(this.sendWindow, chunk.length - queue.offset);
    if (count === 0) return false;
    const from = queue.offset;
    queue.offset += count;
    queue.size -= count;
    const last = queue.size === 0;
    if (queue.offset === chunk.length) {
      queue.chunks.shift();
      queue.offset = 0;
    }
    const ends = last && queue.end && queue.trailers === undefined;
    queue.movedMs = this.connection.now();
    this.connection.onQueued(-count);
    this.connection.sendData(this, chunk.subarray(from, from + count), ends);
    if (last) this.#endQueue(queue);
    this.#tellProducer();
    return this.#queue !== undefined && this.sendWindow > 0;
  }

  /** Nothing of it has left since `beforeMs`, and its producer is done. */
  isStalled(beforeMs: number): boolean {
    return this.#queue?.end === true && this.#queue.movedMs <= beforeMs;
  }

  /** Its data has all left. */
  #endQueue(queue: SendQueue): void {
    this.#queue = undefined;
    if (queue.trailers !== undefined) this.#writeTrailers(queue.trailers);
    else if (queue.end) this.endLocal();
  }

  /** The peer gave more window, or took some back. Returns false when it is more than there can be. */
  widen(increment: number): boolean {
    this.sendWindow += increment;
    if (this.sendWindow > 0x7fff_ffff) return false;
    if (increment > 0) this.#queueForTurn();
    return true;
  }

  /** Tell the producer to stop or to go on, if that has changed. */
  #tellProducer(): void {
    const size = this.#queue?.size ?? 0;
    const limit = this.connection.options.streamBufferLimit;
    const { blocked, crowded } = this.connection;
    if (this.#unwritable) {
      if (blocked || size > limit >> 1 || (crowded && size > 0)) return;
      this.#unwritable = false;
      this.sink?.onWritable();
    } else if (size > limit || (size > 0 && (blocked || crowded))) {
      this.#unwritable = true;
      this.sink?.onUnwritable();
    }
  }

  /** The connection's output passed its high watermark or fell below the low one. */
  onConnectionWatermark(): void {
    if (this.connection.blocked) {
      if (this.#unwritable || this.localEnded) return;
      this.#unwritable = true;
      this.sink?.onUnwritable();
    } else this.#tellProducer();
  }

  protected endLocal(): void {
    if (this.state === "remote-ended") this.connection.close(this);
    else if (this.state === "open") {
      this.state = "local-ended";
      this.onLocalEnd();
    }
  }

  // === The end ===

  reset(reason: ResetReason): void {
    if (this.state === "closed") return;
    this.connection.resetStream(this, errorCodeOf(reason, this.abortCode));
  }

  /** For the connection: nothing is sent or received any more. */
  release(): void {
    this.state = "closed";
    if (this.#withheld > 0) this.connection.giveBack(this.#withheld);
    this.#withheld = 0;
    const waiting = this.#queue?.size ?? 0;
    if (waiting > 0) this.connection.onQueued(-waiting);
    this.#queue = undefined;
  }
}

function errorCodeOf(reason: ResetReason, abortCode: number): number {
  switch (reason) {
    case "protocol":
      return ErrorCode.protocolError;
    case "refused":
      return ErrorCode.refusedStream;
    case "connect":
    case "connect-timeout":
      return ErrorCode.connectError;
    case "overflow":
      return ErrorCode.enhanceYourCalm;
    default:
      return abortCode;
  }
}
