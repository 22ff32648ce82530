import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { quantile } from "../../../stats/histogram.ts";
import { bucketCount, bucketOf } from "../../../stats/histogram-buckets.ts";
import type { Counter, Gauge } from "../../../stats/stats.ts";

export interface GradientSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly concurrencyMin: number;
  readonly concurrencyMax: number;
  /** How often the limit is thought over. */
  readonly updateIntervalMs: number;
  /** How long a measured minimum holds, and the share of it by which that may be longer. */
  readonly minRttIntervalMs: number;
  readonly minRttJitter: number;
  /** Requests that a minimum is measured of, and the share that is added to it. */
  readonly minRttRequests: number;
  readonly minRttBuffer: number;
  readonly percentile: number;
  readonly stats: GradientStats;
}

export interface GradientStats {
  readonly blocked: Counter;
  readonly limit: Gauge;
  readonly measuring: Gauge;
  readonly burstQueue: Gauge;
  /** Of one worker: a sum would say nothing. */
  readonly minRttMs: Gauge | undefined;
  readonly sampleRttMs: Gauge | undefined;
  readonly gradient: Gauge | undefined;
}

const microsecondsPerMs = 1000;
/** After so many intervals at the lowest limit the minimum is measured again: it may have been a lucky one. */
const minimumIntervalsMax = 5;

/**
 * How many requests may be under way, from how long they take (Envoy's gradient controller). Now and then few are let through, to
 * measure how fast the upstream is at rest; otherwise the limit follows the ratio of that to what is seen.
 */
export class GradientController {
  readonly #settings: GradientSettings;
  readonly #samples: Uint32Array = new Uint32Array(bucketCount);
  #sampleCount = 0;
  #active = 0;
  #limit: number;
  /** The limit that comes back when the minimum has been measured; undefined: it is not being measured. */
  #limitAfter: number | undefined;
  #minRtt = 0;
  /** Samples of requests that began before are not of this measurement. */
  #measuringSinceMs = 0;
  #windowStartMs = 0;
  #minimumIntervals = 0;
  #sampleTimer: { cancel(): void } | undefined;
  #minRttTimer: { cancel(): void } | undefined;

  constructor(settings: GradientSettings) {
    this.#settings = settings;
    this.#limit = settings.concurrencyMin;
    this.#windowStartMs = settings.clock.monotonicMs();
    this.#measureMinRtt();
  }

  get limit(): number {
    return this.#limit;
  }

  get isMeasuring(): boolean {
    return this.#limitAfter !== undefined;
  }

  /** False: it must not go on. A request that goes on ends with `complete` or `cancel`. */
  tryBegin(): boolean {
    if (this.#active >= this.#limit) {
      this.#settings.stats.blocked.inc();
      return false;
    }
    this.#active += 1;
    return true;
  }

  cancel(): void {
    this.#active -= 1;
  }

  complete(beganMs: number): void {
    this.#active -= 1;
    if (beganMs < this.#measuringSinceMs) return;
    const tookMs = this.#settings.clock.monotonicMs() - beganMs;
    const bucket = bucketOf(Math.floor(tookMs * microsecondsPerMs));
    this.#samples[bucket] = (this.#samples[bucket] ?? 0) + 1;
    this.#sampleCount += 1;
    if (!this.isMeasuring) this.#awaitWindow();
    else if (this.#sampleCount >= this.#settings.minRttRequests) this.#endMeasurement();
  }

  /** The window that these samples are of ends with its interval. Without samples nobody waits for it. */
  #awaitWindow(): void {
    if (this.#sampleTimer !== undefined) return;
    const { clock, updateIntervalMs } = this.#settings;
    const intoMs = (clock.monotonicMs() - this.#windowStartMs) % updateIntervalMs;
    this.#sampleTimer = clock.after(updateIntervalMs - intoMs, () => {
      this.#sampleTimer = undefined;
      if (!this.isMeasuring && this.#sampleCount > 0) this.#updateLimit();
    });
  }

  #measureMinRtt(): void {
    if (this.isMeasuring) return;
    const { clock, concurrencyMin, stats } = this.#settings;
    stats.measuring.set(1);
    this.#limitAfter = this.#limit;
    this.#setLimit(concurrencyMin);
    this.#forgetSamples();
    this.#measuringSinceMs = clock.monotonicMs();
  }

  #endMeasurement(): void {
    const { clock, random, stats, minRttIntervalMs, minRttJitter } = this.#settings;
    this.#minRtt = this.#summarise();
    stats.minRttMs?.set(Math.floor(this.#minRtt / microsecondsPerMs));
    const limit = this.#limitAfter ?? this.#limit;
    this.#setLimit(limit);
    this.#limitAfter = undefined;
    stats.measuring.set(0);
    const jitterMs =
      minRttJitter === 0 ? 0 : random.below(Math.ceil(minRttIntervalMs * minRttJitter));
    this.#measureAfter(minRttIntervalMs + jitterMs);
    this.#sampleTimer?.cancel();
    this.#sampleTimer = undefined;
    this.#windowStartMs = clock.monotonicMs();
  }

  #measureAfter(milliseconds: number): void {
    this.#minRttTimer?.cancel();
    this.#minRttTimer = this.#settings.clock.after(milliseconds, () => this.#measureMinRtt());
  }

  #updateLimit(): void {
    const { concurrencyMin, concurrencyMax, minRttBuffer, stats } = this.#settings;
    const sampleRtt = this.#summarise();
    stats.sampleRttMs?.set(Math.floor(sampleRtt / microsecondsPerMs));
    const allowed = this.#minRtt * (1 + minRttBuffer);
    // No faster than by halves and doubles; what takes no time at all is fast.
    const gradient = sampleRtt === 0 ? 2 : Math.max(0.5, Math.min(2, allowed / sampleRtt));
    stats.gradient?.set(Math.floor(gradient * 1000));
    const limit = this.#limit * gradient;
    const burst = Math.sqrt(limit);
    stats.burstQueue.set(Math.floor(burst));
    this.#setLimit(Math.max(concurrencyMin, Math.min(concurrencyMax, Math.floor(limit + burst))));
  }

  #setLimit(limit: number): void {
    const { concurrencyMin, stats } = this.#settings;
    const stays = !this.isMeasuring && limit === concurrencyMin && this.#limit === limit;
    this.#minimumIntervals = stays ? this.#minimumIntervals + 1 : 0;
    this.#limit = limit;
    stats.limit.set(limit);
    if (this.#minimumIntervals >= minimumIntervalsMax) this.#measureAfter(0);
  }

  /** Microseconds. */
  #summarise(): number {
    const buckets: [number, number][] = [];
    for (const [bucket, count] of this.#samples.entries())
      if (count > 0) buckets.push([bucket, count]);
    this.#forgetSamples();
    return Math.floor(quantile(buckets, this.#settings.percentile));
  }

  #forgetSamples(): void {
    this.#samples.fill(0);
    this.#sampleCount = 0;
  }
}
