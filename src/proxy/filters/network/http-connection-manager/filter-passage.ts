import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import { Timer } from "#lib/timers.ts";
import type { HttpFilter, HttpStream, Verdict } from "../../http/filter.ts";

/** What waits at a filter: copies of body chunks, and how the message ended. */
class Waiting {
  readonly chunks: Uint8Array[] = [];
  size = 0;
  end = false;
  trailers: HeaderList | undefined = undefined;
  /** The source is held back because `size` passed the limit. */
  held = false;

  add(chunk: Uint8Array, end: boolean, trailers: HeaderList | undefined): void {
    if (chunk.length > 0) this.chunks.push(new Uint8Array(chunk));
    this.size += chunk.length;
    this.end = end;
    this.trailers = trailers;
  }

  /** Nothing is left to say once the head has said that it ends the message. */
  get isBareEnd(): boolean {
    return this.end && this.chunks.length === 0 && this.trailers === undefined;
  }
}

/** Who stops a response: bits, for all may at once. */
const stoppedBy = { client: 1, waiting: 2, filter: 4 } as const;

export const emptyChunk: Uint8Array = new Uint8Array(0);

/**
 * A stream's way through its filters: request phases first to last, response phases last to first. Each direction remembers the
 * filter it stopped at; what comes meanwhile passes the filters before that one and waits there, up to a limit.
 */
export abstract class FilterPassage extends Timer {
  protected filters: readonly HttpFilter[] = [];
  /** The filter the request stopped at; -1: it flows. */
  #requestAt = -1;
  /** It is asked again with each phase (`hold`), and not only when it resumes by itself (`park`). */
  #requestHolds = false;
  #requestWaiting: Waiting | undefined;
  /** The first filter that has not seen the head. */
  #requestHeadNext = 0;
  #requestHeadEnds = false;
  /** A filter's word, over `requestBufferLimit`. */
  #requestLimit: number | undefined;
  #responseAt = -1;
  #responseHolds = false;
  #responseWaiting: Waiting | undefined;
  #responseHead: ResponseHead | undefined;
  /** -2: it has gone out. */
  #responseHeadNext = -2;
  #responseHeadEnds = false;
  #responseStops = 0;
  /** How many filters hold the response back. */
  #responsePauses = 0;
  /** The producer of the response (the router) registers here. */
  producer: { onDownstreamUnwritable(): void; onDownstreamWritable(): void } | undefined =
    undefined;

  protected abstract readonly stream: HttpStream;
  abstract readonly bufferLimit: number;
  /** The route may let a request be larger. */
  protected abstract readonly requestBufferLimit: number;
  /** No more request phases: the stream is over or answered. */
  protected abstract readonly requestClosed: boolean;
  protected abstract readonly over: boolean;
  abstract pauseRequest(): void;
  abstract unpauseRequest(): void;
  /** A filter holds more of a message than the buffer limit. */
  protected abstract onRequestTooLarge(): void;
  protected abstract onResponseTooLarge(): void;
  protected abstract sendHead(head: ResponseHead, end: boolean): void;
  protected abstract sendBody(chunk: Uint8Array, end: boolean): void;
  protected abstract sendTrailers(trailers: HeaderList): void;

  // === Request ===

  protected passRequestHead(head: RequestHead, end: boolean): void {
    this.#requestAt = -1;
    this.#requestLimit = undefined;
    this.#requestHeadEnds = end;
    this.#runRequestHead(0, head, end);
  }

  protected passRequestData(chunk: Uint8Array, end: boolean): void {
    this.#runRequestData(0, chunk, end);
  }

  protected passRequestTrailers(trailers: HeaderList): void {
    this.#runRequestTrailers(0, trailers);
  }

  #runRequestHead(from: number, head: RequestHead, end: boolean): void {
    const { filters, stream } = this;
    for (let i = from; i < filters.length; i++) {
      const filter = filters[i] as HttpFilter;
      if (filter.onRequestHead === undefined) continue;
      const verdict = filter.onRequestHead(stream, head, end);
      if (verdict === "continue") {
        if (this.requestClosed) return;
        continue;
      }
      this.#requestHeadNext = i + 1;
      this.#stopRequest(i, verdict);
      return;
    }
    this.#requestHeadNext = filters.length;
  }

  /** The last filter keeps what it gets: nothing waits behind it. */
  #stopRequest(at: number, verdict: Verdict): boolean {
    if (verdict === "consume" || at === this.filters.length - 1) return false;
    this.#requestAt = at;
    this.#requestHolds = verdict === "hold";
    return true;
  }

  #runRequestData(from: number, chunk: Uint8Array, end: boolean): void {
    const { filters, stream } = this;
    let bytes = chunk;
    for (let i = from; i < filters.length; i++) {
      if (i === this.#requestAt && !this.#requestHolds) {
        this.#keepRequest(bytes, end, undefined);
        return;
      }
      const filter = filters[i] as HttpFilter;
      if (filter.onRequestData === undefined && i !== this.#requestAt) continue;
      const verdict = filter.onRequestData?.(stream, bytes, end) ?? "hold";
      if (verdict instanceof Uint8Array) bytes = verdict;
      else if (verdict !== "continue") {
        if (this.#stopRequest(i, verdict)) this.#keepRequest(bytes, end, undefined);
        return;
      }
      if (this.requestClosed) return;
      if (i === this.#requestAt) {
        this.#releaseRequest(i + 1);
        if (this.requestClosed) return;
      }
      if (bytes.length === 0 && !end) return;
    }
  }

  #runRequestTrailers(from: number, trailers: HeaderList): void {
    const { filters, stream } = this;
    for (let i = from; i < filters.length; i++) {
      if (i === this.#requestAt && !this.#requestHolds) {
        this.#keepRequest(emptyChunk, true, trailers);
        return;
      }
      const filter = filters[i] as HttpFilter;
      if (filter.onRequestTrailers === undefined && i !== this.#requestAt) continue;
      const verdict = filter.onRequestTrailers?.(stream, trailers) ?? "continue";
      if (verdict !== "continue" && !(verdict instanceof Uint8Array)) {
        if (this.#stopRequest(i, verdict)) this.#keepRequest(emptyChunk, true, trailers);
        return;
      }
      if (this.requestClosed) return;
      if (i === this.#requestAt) {
        this.#releaseRequest(i + 1);
        if (this.requestClosed) return;
      }
      if (verdict instanceof Uint8Array) {
        this.#runRequestData(i + 1, verdict, true);
        return;
      }
    }
  }

  #keepRequest(chunk: Uint8Array, end: boolean, trailers: HeaderList | undefined): void {
    this.#requestWaiting ??= new Waiting();
    const waiting = this.#requestWaiting;
    waiting.add(chunk, end, trailers);
    if (waiting.held || waiting.size <= (this.#requestLimit ?? this.requestBufferLimit)) return;
    waiting.held = true;
    // Who holds waits for more, and would wait for ever if the client were stopped.
    if (this.#requestHolds) this.onRequestTooLarge();
    else this.pauseRequest();
  }

  limitRequest(bytes: number): void {
    this.#requestLimit = bytes;
  }

  /** The stream is over: what waits is dropped, and a source held back for it flows again. */
  protected dropWaiting(): void {
    if (this.#requestWaiting?.held === true && !this.#requestHolds) this.unpauseRequest();
    this.#requestWaiting = undefined;
    this.#responseWaiting = undefined;
  }

  resumeRequest(): void {
    const at = this.#requestAt;
    if (at < 0 || this.requestClosed) return;
    // A filter that parked has not seen what came meanwhile; one that held has.
    this.#releaseRequest(this.#requestHolds ? at + 1 : at);
  }

  /** The head if it waits, then the rest; from `next` on. */
  #releaseRequest(next: number): void {
    const held = this.#requestHolds;
    this.#requestAt = -1;
    this.#requestHolds = false;
    const waiting = this.#requestWaiting;
    this.#requestWaiting = undefined;
    const headNext = this.#requestHeadNext;
    let endsWithHead = this.#requestHeadEnds;
    if (headNext < this.filters.length) {
      endsWithHead ||= waiting?.isBareEnd === true;
      this.#runRequestHead(headNext, this.stream.request, endsWithHead);
    }
    if (waiting === undefined) return;
    if (waiting.held && !held) this.unpauseRequest();
    if (waiting.isBareEnd && endsWithHead) return;
    this.#replayRequest(next, waiting);
  }

  #replayRequest(next: number, { chunks, end, trailers }: Waiting): void {
    for (const [index, chunk] of chunks.entries()) {
      if (this.requestClosed) return;
      const last = end && trailers === undefined && index === chunks.length - 1;
      this.#runRequestData(next, chunk, last);
    }
    if (this.requestClosed) return;
    if (trailers !== undefined) this.#runRequestTrailers(next, trailers);
    else if (end && chunks.length === 0) this.#runRequestData(next, emptyChunk, true);
  }

  // === Response ===

  protected passResponseHead(head: ResponseHead, end: boolean): void {
    this.#responseHead = head;
    this.#responseHeadEnds = end;
    this.#responseAt = -1;
    this.#responseWaiting = undefined;
    this.#runResponseHead(this.filters.length - 1, head, end);
  }

  protected passResponseData(chunk: Uint8Array, end: boolean): void {
    this.#runResponseData(this.filters.length - 1, chunk, end);
  }

  protected passResponseTrailers(trailers: HeaderList): void {
    this.#runResponseTrailers(this.filters.length - 1, trailers);
  }

  #runResponseHead(from: number, head: ResponseHead, end: boolean): void {
    const { filters, stream } = this;
    for (let i = from; i >= 0; i--) {
      const filter = filters[i] as HttpFilter;
      if (filter.onResponseHead === undefined) continue;
      const verdict = filter.onResponseHead(stream, head, end);
      if (verdict === "continue") {
        if (this.over) return;
        continue;
      }
      this.#responseHeadNext = i - 1;
      this.#stopResponse(i, verdict);
      return;
    }
    this.#responseHeadNext = -2;
    this.sendHead(head, end);
  }

  #stopResponse(at: number, verdict: Verdict): boolean {
    if (verdict === "consume") return false;
    this.#responseAt = at;
    this.#responseHolds = verdict === "hold";
    return true;
  }

  #runResponseData(from: number, chunk: Uint8Array, end: boolean): void {
    const { filters, stream } = this;
    let bytes = chunk;
    for (let i = from; i >= 0; i--) {
      if (i === this.#responseAt && !this.#responseHolds) {
        this.#keepResponse(bytes, end, undefined);
        return;
      }
      const filter = filters[i] as HttpFilter;
      if (filter.onResponseData === undefined && i !== this.#responseAt) continue;
      const verdict = filter.onResponseData?.(stream, bytes, end) ?? "hold";
      if (verdict instanceof Uint8Array) bytes = verdict;
      else if (verdict !== "continue") {
        if (this.#stopResponse(i, verdict)) this.#keepResponse(bytes, end, undefined);
        return;
      }
      if (this.over) return;
      if (i === this.#responseAt) {
        this.#releaseResponse(i - 1);
        if (this.over) return;
      }
      if (bytes.length === 0 && !end) return;
    }
    this.sendBody(bytes, end);
  }

  #runResponseTrailers(from: number, trailers: HeaderList): void {
    const { filters, stream } = this;
    for (let i = from; i >= 0; i--) {
      if (i === this.#responseAt && !this.#responseHolds) {
        this.#keepResponse(emptyChunk, true, trailers);
        return;
      }
      const filter = filters[i] as HttpFilter;
      if (filter.onResponseTrailers === undefined && i !== this.#responseAt) continue;
      const verdict = filter.onResponseTrailers?.(stream, trailers) ?? "continue";
      if (verdict !== "continue" && !(verdict instanceof Uint8Array)) {
        if (this.#stopResponse(i, verdict)) this.#keepResponse(emptyChunk, true, trailers);
        return;
      }
      if (this.over) return;
      if (i === this.#responseAt) {
        this.#releaseResponse(i - 1);
        if (this.over) return;
      }
      if (verdict instanceof Uint8Array) {
        this.#runResponseData(i - 1, verdict, true);
        return;
      }
    }
    this.sendTrailers(trailers);
  }

  #keepResponse(chunk: Uint8Array, end: boolean, trailers: HeaderList | undefined): void {
    this.#responseWaiting ??= new Waiting();
    const waiting = this.#responseWaiting;
    waiting.add(chunk, end, trailers);
    if (waiting.held || waiting.size <= this.bufferLimit) return;
    waiting.held = true;
    if (this.#responseHolds) this.onResponseTooLarge();
    else this.#stopProducer(stoppedBy.waiting);
  }

  /** The client takes no more. */
  onUnwritable(): void {
    this.#stopProducer(stoppedBy.client);
  }

  onWritable(): void {
    this.#freeProducer(stoppedBy.client);
  }

  pauseResponse(): void {
    this.#responsePauses += 1;
    if (this.#responsePauses === 1) this.#stopProducer(stoppedBy.filter);
  }

  unpauseResponse(): void {
    this.#responsePauses -= 1;
    if (this.#responsePauses === 0) this.#freeProducer(stoppedBy.filter);
  }

  /** For a producer that begins now. */
  get responseStopped(): boolean {
    return this.#responseStops !== 0;
  }

  #stopProducer(cause: number): void {
    const before = this.#responseStops;
    this.#responseStops |= cause;
    if (before === 0) this.producer?.onDownstreamUnwritable();
  }

  #freeProducer(cause: number): void {
    const before = this.#responseStops;
    this.#responseStops &= ~cause;
    if (before === cause) this.producer?.onDownstreamWritable();
  }

  resumeResponse(): void {
    const at = this.#responseAt;
    if (at < 0 || this.over) return;
    this.#releaseResponse(this.#responseHolds ? at - 1 : at);
  }

  #releaseResponse(next: number): void {
    const held = this.#responseHolds;
    this.#responseAt = -1;
    this.#responseHolds = false;
    const waiting = this.#responseWaiting;
    this.#responseWaiting = undefined;
    const headNext = this.#responseHeadNext;
    let endsWithHead = this.#responseHeadEnds;
    if (headNext > -2 && this.#responseHead !== undefined) {
      endsWithHead ||= waiting?.isBareEnd === true;
      this.#runResponseHead(headNext, this.#responseHead, endsWithHead);
    }
    if (waiting === undefined) return;
    if (waiting.held && !held) this.#freeProducer(stoppedBy.waiting);
    if (waiting.isBareEnd && endsWithHead) return;
    this.#replayResponse(next, waiting);
  }

  #replayResponse(next: number, { chunks, end, trailers }: Waiting): void {
    for (const [index, chunk] of chunks.entries()) {
      if (this.over) return;
      const last = end && trailers === undefined && index === chunks.length - 1;
      this.#runResponseData(next, chunk, last);
    }
    if (this.over) return;
    if (trailers !== undefined) this.#runResponseTrailers(next, trailers);
    else if (end && chunks.length === 0) this.#runResponseData(next, emptyChunk, true);
  }

  // === What a filter consumed, and lets go on later. The stream is not idle while it does: its timer begins anew. ===

  injectRequestData(from: HttpFilter, chunk: Uint8Array, end: boolean): void {
    if (this.requestClosed) return;
    this.timerList?.arm(this);
    this.#runRequestData(this.filters.indexOf(from) + 1, chunk, end);
  }

  injectRequestTrailers(from: HttpFilter, trailers: HeaderList): void {
    if (this.requestClosed) return;
    this.#runRequestTrailers(this.filters.indexOf(from) + 1, trailers);
  }

  injectResponseData(from: HttpFilter, chunk: Uint8Array, end: boolean): void {
    if (this.over) return;
    this.timerList?.arm(this);
    this.#runResponseData(this.filters.indexOf(from) - 1, chunk, end);
  }

  injectResponseTrailers(from: HttpFilter, trailers: HeaderList): void {
    if (this.over) return;
    this.#runResponseTrailers(this.filters.indexOf(from) - 1, trailers);
  }
}
