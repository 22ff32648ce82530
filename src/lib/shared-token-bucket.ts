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
  }

  /** Takes all of `count` or nothing. */
  take(count = 1): boolean {
    // A double holds microseconds since 1970 exactly, nanoseconds not.
    const now = BigInt(Math.round(this.#clock.wallMs() * 1000)) * 1000n;
    const full = now - this.#duration(this.tokensMax);
    const taken = this.#duration(count);
    for (;;) {
      const before = Atomics.load(this.#cell, 0);
      const empty = before > full && before !== 0n ? before : full;
      const after = empty + taken;
      if (after > now) return false;
      // Another thread may have been quicker: then look again.
      if (Atomics.compareExchange(this.#cell, 0, before, after) === before) return true;
    }
  }

  #duration(tokens: number): bigint {
    return BigInt(Math.round(tokens * this.#nanosecondsPerToken));
  }
}
