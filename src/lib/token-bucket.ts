import type { Clock } from "./clock.ts";

export interface TokenBucketOptions {
  readonly tokensMax: number;
  /** So many tokens come back in each `fillIntervalMs`, steadily. */
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
  /** Full unless given. */
  readonly tokensAtStart?: number;
}

/** Tokens that come back at a steady rate up to a maximum. They are counted when asked for: no timer, no work while idle. */
export class TokenBucket {
  readonly tokensMax: number;
  readonly #clock: Clock;
  readonly #tokensPerMs: number;
  #tokens: number;
  #countedMs: number;

  constructor(clock: Clock, options: TokenBucketOptions) {
    const { tokensMax, tokensPerFill, fillIntervalMs, tokensAtStart = tokensMax } = options;
    this.tokensMax = tokensMax;
    this.#clock = clock;
    this.#tokensPerMs = tokensPerFill / fillIntervalMs;
    this.#tokens = tokensAtStart;
    this.#countedMs = clock.monotonicMs();
  }

  /** Whole tokens that are there now. */
  get available(): number {
    this.#fill();
    return Math.floor(this.#tokens);
  }

  /** Takes all of `count` or nothing. */
  take(count = 1): boolean {
    this.#fill();
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Takes what is there, whole tokens and `count` at most; returns how many. */
  takeUpTo(count: number): number {
    const taken = Math.min(count, this.available);
    this.#tokens -= taken;
    return taken;
  }

  /** How long until `count` tokens are there, if nobody takes any; Infinity when it never holds so many. */
  msUntil(count = 1): number {
    if (count > this.tokensMax) return Number.POSITIVE_INFINITY;
    this.#fill();
    return Math.max(0, (count - this.#tokens) / this.#tokensPerMs);
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const filled = this.#tokens + (nowMs - this.#countedMs) * this.#tokensPerMs;
    this.#tokens = Math.min(this.tokensMax, filled);
    this.#countedMs = nowMs;
  }
}
