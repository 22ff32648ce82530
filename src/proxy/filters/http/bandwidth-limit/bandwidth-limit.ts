import { HeaderList } from "#http/headers.ts";
import type { Clock } from "#lib/clock.ts";
import type { TimerList } from "#lib/timers.ts";
import type { Counter, Gauge, Histogram } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";
import { type ByteBucket, StreamRateLimiter } from "../stream-rate-limiter.ts";

/** What is counted of one direction. */
export interface DirectionLimit {
  readonly enabled: Counter;
  readonly enforced: Counter;
  readonly pending: Gauge;
  readonly incoming: Gauge;
  readonly incomingTotal: Counter;
  readonly allowed: Gauge;
  readonly allowedTotal: Counter;
  readonly duration: Histogram;
}

/** The trailers that say how long each direction took, and how much of it was this filter's doing. */
export interface TrailerNames {
  readonly request: string;
  readonly requestFilter: string;
  readonly response: string;
  readonly responseFilter: string;
}

/** Of the filter or of a route. */
export interface BandwidthLimit {
  /** Undefined: this direction is not limited. */
  readonly request: DirectionLimit | undefined;
  readonly response: DirectionLimit | undefined;
  readonly clock: Clock;
  /** Of all streams and both directions. */
  readonly bucket: ByteBucket;
  readonly interval: TimerList | undefined;
  readonly enabled: () => boolean;
  readonly trailers: TrailerNames | undefined;
}

const nothing = new Uint8Array(0);

/** Bodies share a number of bytes a second; what is too much waits. */
export class BandwidthLimitFilter implements HttpFilter {
  readonly #limit: BandwidthLimit;
  readonly #name: string;
  #request: Transfer | undefined = undefined;
  #response: Transfer | undefined = undefined;
  #trailers: TrailerNames | undefined = undefined;

  constructor(limit: BandwidthLimit, name: string) {
    this.#limit = limit;
    this.#name = name;
  }

  onRequestHead(stream: HttpStream): Verdict {
    const limit = this.#limitOf(stream);
    if (limit.request !== undefined && limit.enabled())
      this.#request = this.#begin(stream, limit, limit.request, "request");
    return "continue";
  }

  onRequestData(_stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict {
    return this.#request?.data(chunk, end) ?? "continue";
  }

  onRequestTrailers(_stream: HttpStream, trailers: HeaderList): Verdict {
    return this.#request?.trailers(trailers) ?? "continue";
  }

  onResponseHead(stream: HttpStream): Verdict {
    const limit = this.#limitOf(stream);
    if (limit.response === undefined || !limit.enabled()) return "continue";
    this.#response = this.#begin(stream, limit, limit.response, "response");
    this.#trailers = limit.trailers;
    return "continue";
  }

  onResponseData(stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict {
    const transfer = this.#response;
    if (transfer === undefined) return "continue";
    if (!end || this.#trailers === undefined) return transfer.data(chunk, end);
    // The end becomes trailers of our own.
    if (transfer.data(chunk, false) === "continue") stream.injectResponseData(this, chunk, false);
    const trailers = new HeaderList();
    if (transfer.trailers(trailers) === "continue") {
      if (trailers.count > 0) stream.injectResponseTrailers(this, trailers);
      else stream.injectResponseData(this, nothing, true);
    }
    return "consume";
  }

  onResponseTrailers(_stream: HttpStream, trailers: HeaderList): Verdict {
    return this.#response?.trailers(trailers) ?? "continue";
  }

  onDone(): void {
    this.#request?.destroy();
    this.#response?.destroy();
  }

  /** Before the response ends: what is known of both directions. */
  describe(trailers: HeaderList): void {
    const names = this.#trailers;
    if (names === undefined) return;
    addDuration(trailers, names.request, this.#request?.durationMs);
    addDuration(trailers, names.requestFilter, this.#request?.delayMs);
    addDuration(trailers, names.response, this.#response?.durationMs);
    addDuration(trailers, names.responseFilter, this.#response?.delayMs);
  }

  #begin(
    stream: HttpStream,
    limit: BandwidthLimit,
    stats: DirectionLimit,
    direction: "request" | "response",
  ): Transfer | undefined {
    stats.enabled.inc();
    const { bucket, interval, clock } = limit;
    if (interval === undefined) return undefined;
    return new Transfer({ stream, filter: this, direction, bucket, interval, clock, stats });
  }

  #limitOf(stream: HttpStream): BandwidthLimit {
    if (stream.route?.hasFilterConfigs !== true) return this.#limit;
    return stream.routeConfig<BandwidthLimit>(this.#name) ?? this.#limit;
  }
}

function addDuration(trailers: HeaderList, name: string, milliseconds = 0): void {
  if (milliseconds > 0) trailers.set(name, String(milliseconds));
}

interface TransferOptions {
  readonly stream: HttpStream;
  readonly filter: BandwidthLimitFilter;
  readonly direction: "request" | "response";
  readonly bucket: ByteBucket;
  readonly interval: TimerList;
  readonly clock: Clock;
  readonly stats: DirectionLimit;
}

/** One direction's body, counted and timed. */
class Transfer extends StreamRateLimiter {
  readonly #options: TransferOptions;
  /** Of its first byte; 0 before. */
  #startMs = 0;
  #pending = false;
  durationMs = 0;
  delayMs = 0;

  constructor(options: TransferOptions) {
    super(options);
    this.#options = options;
  }

  override data(chunk: Uint8Array, end: boolean): Verdict {
    const { stats, clock } = this.#options;
    if (this.#startMs === 0) {
      this.#startMs = clock.monotonicMs();
      this.#pending = true;
      stats.pending.inc();
    }
    stats.incoming.set(chunk.length);
    stats.incomingTotal.add(chunk.length);
    return super.data(chunk, end);
  }

  protected override onGrant(granted: number, waiting: number): void {
    const { stats, interval } = this.#options;
    stats.allowed.set(granted);
    stats.allowedTotal.add(granted);
    if (waiting === 0) return;
    stats.enforced.inc();
    this.delayMs += interval.durationMs;
  }

  protected override onEnd(trailers: HeaderList | undefined): void {
    const { stats, clock, filter, direction } = this.#options;
    if (!this.#pending) return;
    this.durationMs = Math.floor(clock.monotonicMs() - this.#startMs);
    stats.duration.record(this.durationMs);
    this.#forget();
    if (direction === "response" && trailers !== undefined) filter.describe(trailers);
  }

  override destroy(): void {
    super.destroy();
    this.#forget();
  }

  #forget(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#options.stats.pending.dec();
  }
}
