import type { Clock } from "#lib/clock.ts";

interface Second {
  readonly startMs: number;
  requests: number;
  successes: number;
}

const secondMs = 1000;

/** Requests of the last seconds and how many went well, counted by second. */
export class SuccessWindow {
  readonly #clock: Clock;
  readonly #windowMs: number;
  /** Oldest first; at most one for each second of the window, and one more. */
  readonly #seconds: Second[] = [];
  requests = 0;
  successes = 0;

  /** A window of whole seconds. */
  constructor(clock: Clock, seconds: number) {
    this.#clock = clock;
    this.#windowMs = seconds * secondMs;
  }

  record(success: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    this.forget();
    let newest = this.#seconds.at(-1);
    if (newest === undefined || nowMs - newest.startMs >= secondMs) {
      newest = { startMs: nowMs, requests: 0, successes: 0 };
      this.#seconds.push(newest);
    }
    newest.requests += 1;
    this.requests += 1;
    if (!success) return;
    newest.successes += 1;
    this.successes += 1;
  }

  /** What has left the window counts no more. */
  forget(): void {
    const nowMs = this.#clock.monotonicMs();
    for (let [oldest] = this.#seconds; oldest !== undefined; [oldest] = this.#seconds) {
      if (nowMs - oldest.startMs < this.#windowMs) return;
      this.requests -= oldest.requests;
      this.successes -= oldest.successes;
      this.#seconds.shift();
    }
  }

  /** Requests a second, rounded down, over the whole window. */
  get averageRps(): number {
    const [oldest] = this.#seconds;
    if (oldest === undefined) return 0;
    const ageMs = this.#clock.monotonicMs() - oldest.startMs;
    const seconds = Math.floor(Math.max(this.#windowMs, ageMs) / secondMs);
    return Math.floor(this.requests / Math.max(1, seconds));
  }
}
