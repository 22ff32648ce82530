import type { Random } from "./random.ts";

export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Each wait is this many times the one before. */
  readonly multiplier: number;
  /** A wait is spread over ± this part of itself, so that many clients do not come back together. */
  readonly jitter: number;
}

/** The figures of gRPC's connection-backoff document. */
export const grpcBackoff: BackoffOptions = {
  initialMs: 1000,
  maxMs: 120_000,
  multiplier: 1.6,
  jitter: 0.2,
};

/** How long to wait before trying again; longer each time, until `reset`. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #nextMs: number;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#nextMs = options.initialMs;
  }

  reset(): void {
    this.#nextMs = this.#options.initialMs;
  }

  next(): number {
    const { maxMs, multiplier, jitter } = this.#options;
    const base = this.#nextMs;
    this.#nextMs = Math.min(maxMs, base * multiplier);
    return base * (1 + jitter * (2 * this.#random.unit() - 1));
  }
}
