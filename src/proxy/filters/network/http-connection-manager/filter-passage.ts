import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import { Timer } from "#lib/timers.ts";
import type { HttpFilter, HttpStream } from "../../http/filter.ts";

/** What waits behind a parked filter: copies of body chunks, and how the message ended. */
class Parked {
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
}

export const emptyChunk: Uint8Array = new Uint8Array(0);

/**
 * A stream's way through its filters: request phases first to last, response phases last to first. Each direction remembers the
 * filter it is parked at; what comes meanwhile waits behind it, up to a limit at which the source is held back.
 */
export abstract class FilterPassage extends Timer {
  protected filters: readonly HttpFilter[] = [];
  /** The filter the request is parked at; -1: it flows. */
  #requestAt = -1;
  #requestParked: Parked | undefined;
  #responseAt = -1;
  #responseParked: Parked | undefined;
  #responseHead: ResponseHead | undefined;
  #responseHeadSent = false;

  protected abstract readonly stream: HttpStream;
  protected abstract readonly parkLimit: number;
  /** No more request phases: the stream is over or answered. */
  protected abstract readonly requestClosed: boolean;
  protected abstract readonly over: boolean;
  protected abstract readonly requestComplete: boolean;
  abstract pauseRequest(): void;
  abstract unpauseRequest(): void;
  abstract onUnwritable(): void;
  abstract onWritable(): void;
  protected abstract sendHead(head: ResponseHead, end: boolean): void;
  protected abstract sendBody(chunk: Uint8Array, end: boolean): void;
  protected abstract sendTrailers(trailers: HeaderList): void;

  // === Request ===

  protected passRequestHead(head: RequestHead, end: boolean): void {
    this.#runRequestHead(0, head, end);
  }

  protected passRequestData(chunk: Uint8Array, end: boolean): void {
    if (this.#requestAt >= 0) this.#parkRequest(chunk, end, undefined);
    else this.#runRequestData(0, chunk, end);
  }

  protected passRequestTrailers(trailers: HeaderList): void {
    if (this.#requestAt >= 0) this.#parkRequest(emptyChunk, true, trailers);
    else this.#runRequestTrailers(0, trailers);
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
      // The last filter keeps what it gets: nothing waits behind it.
      if (verdict === "park" && i < filters.length - 1) this.#requestAt = i;
      return;
    }
  }

  #runRequestData(from: number, chunk: Uint8Array, end: boolean): void {
    const { filters, stream } = this;
    for (let i = from; i < filters.length; i++) {
      const filter = filters[i] as HttpFilter;
      const verdict = filter.onRequestData?.(stream, chunk, end) ?? "continue";
      if (verdict === "continue") continue;
      if (verdict === "park" && i < filters.length - 1) this.#requestAt = i;
      return;
    }
  }

  #runRequestTrailers(from: number, trailers: HeaderList): void {
    const { filters, stream } = this;
    for (let i = from; i < filters.length; i++) {
      const filter = filters[i] as HttpFilter;
      const verdict = filter.onRequestTrailers?.(stream, trailers) ?? "continue";
      if (verdict === "continue") continue;
      if (verdict === "park" && i < filters.length - 1) this.#requestAt = i;
      return;
    }
  }

  #parkRequest(chunk: Uint8Array, end: boolean, trailers: HeaderList | undefined): void {
    this.#requestParked ??= new Parked();
    const parked = this.#requestParked;
    parked.add(chunk, end, trailers);
    if (parked.held || parked.size <= this.parkLimit) return;
    parked.held = true;
    this.pauseRequest();
  }

  /** The stream is over: what waits is dropped, and a source held back for it flows again. */
  protected dropParked(): void {
    if (this.#requestParked?.held === true) this.unpauseRequest();
    this.#requestParked = undefined;
    this.#responseParked = undefined;
  }

  resumeRequest(): void {
    if (this.#requestAt < 0 || this.requestClosed) return;
    const next = this.#requestAt + 1;
    this.#requestAt = -1;
    const parked = this.#requestParked;
    this.#requestParked = undefined;
    // A head whose body waits behind it does not end the message.
    const end =
      this.requestComplete &&
      (parked === undefined || (parked.chunks.length === 0 && parked.trailers === undefined));
    this.#runRequestHead(next, this.stream.request, end);
    if (parked === undefined) return;
    if (parked.held) this.unpauseRequest();
    this.#replayRequest(next, parked, end);
  }

  #replayRequest(next: number, parked: Parked, headEnded: boolean): void {
    for (const [index, chunk] of parked.chunks.entries()) {
      if (this.requestClosed) return;
      const end = parked.end && parked.trailers === undefined && index === parked.chunks.length - 1;
      if (this.#requestAt >= 0) this.#parkRequest(chunk, end, undefined);
      else this.#runRequestData(next, chunk, end);
    }
    if (this.requestClosed) return;
    if (parked.trailers !== undefined) {
      if (this.#requestAt >= 0) this.#parkRequest(emptyChunk, true, parked.trailers);
      else this.#runRequestTrailers(next, parked.trailers);
    } else if (parked.end && parked.chunks.length === 0 && !headEnded)
      this.#runRequestData(next, emptyChunk, true);
  }

  // === Response ===

  protected passResponseHead(head: ResponseHead, end: boolean): void {
    this.#responseHead = head;
    this.#runResponseHead(this.filters.length - 1, head, end);
  }

  protected passResponseData(chunk: Uint8Array, end: boolean): void {
    if (this.#responseAt >= 0) this.#parkResponse(chunk, end, undefined);
    else this.#runResponseData(this.filters.length - 1, chunk, end);
  }

  protected passResponseTrailers(trailers: HeaderList): void {
    if (this.#responseAt >= 0) this.#parkResponse(emptyChunk, true, trailers);
    else this.#runResponseTrailers(this.filters.length - 1, trailers);
  }

  #runResponseHead(from: number, head: ResponseHead, end: boolean): void {
    const { filters, stream } = this;
    for (let i = from; i >= 0; i--) {
      const filter = filters[i] as HttpFilter;
      if (
        filter.onResponseHead === undefined ||
        filter.onResponseHead(stream, head, end) === "continue"
      )
        continue;
      this.#responseAt = i;
      if (end) this.#parkResponse(emptyChunk, true, undefined);
      return;
    }
    this.#responseHeadSent = true;
    this.sendHead(head, end);
  }

  #runResponseData(from: number, chunk: Uint8Array, end: boolean): void {
    const { filters, stream } = this;
    for (let i = from; i >= 0; i--) {
      const filter = filters[i] as HttpFilter;
      if (
        filter.onResponseData === undefined ||
        filter.onResponseData(stream, chunk, end) === "continue"
      )
        continue;
      this.#responseAt = i;
      return;
    }
    this.sendBody(chunk, end);
  }

  #runResponseTrailers(from: number, trailers: HeaderList): void {
    const { filters, stream } = this;
    for (let i = from; i >= 0; i--) {
      const filter = filters[i] as HttpFilter;
      if (
        filter.onResponseTrailers === undefined ||
        filter.onResponseTrailers(stream, trailers) === "continue"
      )
        continue;
      this.#responseAt = i;
      return;
    }
    this.sendTrailers(trailers);
  }

  #parkResponse(chunk: Uint8Array, end: boolean, trailers: HeaderList | undefined): void {
    this.#responseParked ??= new Parked();
    const parked = this.#responseParked;
    parked.add(chunk, end, trailers);
    if (parked.held || parked.size <= this.parkLimit) return;
    parked.held = true;
    this.onUnwritable();
  }

  resumeResponse(): void {
    if (this.#responseAt < 0 || this.over) return;
    const next = this.#responseAt - 1;
    this.#responseAt = -1;
    const parked = this.#responseParked;
    this.#responseParked = undefined;
    const endsWithHead =
      parked?.end === true && parked.chunks.length === 0 && parked.trailers === undefined;
    if (this.#responseHead !== undefined && !this.#responseHeadSent)
      this.#runResponseHead(next, this.#responseHead, endsWithHead);
    if (parked === undefined || endsWithHead) return;
    if (parked.held) this.onWritable();
    for (const [index, chunk] of parked.chunks.entries()) {
      const end = parked.end && parked.trailers === undefined && index === parked.chunks.length - 1;
      if (this.#responseAt >= 0) this.#parkResponse(chunk, end, undefined);
      else this.#runResponseData(next, chunk, end);
    }
    if (parked.trailers === undefined) return;
    if (this.#responseAt >= 0) this.#parkResponse(emptyChunk, true, parked.trailers);
    else this.#runResponseTrailers(next, parked.trailers);
  }
}
