import type { Clock } from "./clock.ts";
import type { TokenBucketOptions } from "./token-bucket.ts";

/**
 * A TokenBucket of several threads. Its whole state is one number: the time at which the bucket was, or will be, empty; to take a token is
 * to move that time on. It starts at 0, which stands for full.
 */
export class SharedTokenBucket {
  readonly tokensMax: number;
  readonly #clock: Clock;
  readonly #cell: BigInt64Array;
  readonly #nanosecondsPerToken: number;

  /** `cell` has one element, in shared memory. The wall clock is what threads have in common. */
  constructor(clock: Clock, options: TokenBucketOptions & { readonly cell: BigInt64Array }) {
    const { tokensMax, tokensPerFill, fillIntervalMs, cell } = options;
    this.tokensMax = tokensMax;
    this.#clock = clock;
    this.#cell = cell;
    this.#nanosecondsPerToken = (fillIntervalMs * 1e6) / tokensPerFill;
    if (options.tokensAtStart === undefined) return;
    // Said by the first thread; the others find it.
    const empty = this.#now() - this.#duration(options.tokensAtStart);
    Atomics.compareExchange(cell, 0, 0n, empty);
  }

  /** Takes all of `count` or nothing. */
  take(count = 1): boolean {
    const now = this.#now();
    const taken = this.#duration(count);
    for (;;) {
      const before = Atomics.load(this.#cell, 0);
      const after = this.#emptyAt(before, now) + taken;
      if (after > now) return false;
      // Another thread may have been quicker: then look again.
      if (Atomics.compareExchange(this.#cell, 0, before, after) === before) return true;
    }
  }

  /** Takes what is there, whole tokens and `count` at most; returns how many. */
  takeUpTo(count: number): number {
    const now = this.#now();
    for (;;) {
      const before = Atomics.load(this.#cell, 0);
      const empty = this.#emptyAt(before, now);
      const taken = Math.min(count, this.#tokens(now - empty));
      if (taken <= 0) return 0;
      const after = empty + this.#duration(taken);
      if (Atomics.compareExchange(this.#cell, 0, before, after) === before) return taken;
    }
  }

  /** Whole tokens that are there now. */
  get available(): number {
    const now = this.#now();
    return this.#tokens(now - this.#emptyAt(Atomics.load(this.#cell, 0), now));
  }

  /** How long until `count` tokens are there, if nobody takes any; Infinity when it never holds so many. */
  msUntil(count = 1): number {
    if (count > this.tokensMax) return Number.POSITIVE_INFINITY;
    const now = this.#now();
    const empty = this.#emptyAt(Atomics.load(this.#cell, 0), now);
    return Math.max(0, Number(empty + this.#duration(count) - now) / 1e6);
  }

  /** A double holds microseconds since 1970 exactly, nanoseconds not. */
  #now(): bigint {
    return BigInt(Math.round(this.#clock.wallMs() * 1000)) * 1000n;
  }

  /** What the cell says, but not longer ago than it takes to fill. */
  #emptyAt(cell: bigint, now: bigint): bigint {
    const full = now - this.#duration(this.tokensMax);
    return cell > full && cell !== 0n ? cell : full;
  }

  #duration(tokens: number): bigint {
    return BigInt(Math.round(tokens * this.#nanosecondsPerToken));
  }

  #tokens(nanoseconds: bigint): number {
    return Math.floor(Number(nanoseconds) / this.#nanosecondsPerToken);
  }
}
