import type { Clock } from "#lib/clock.ts";

export interface DebounceOptions {
  readonly clock: Clock;
  /** Fires when so long nothing has been noted, */
  readonly quietMs: number;
  /** or so long after the first thing, whatever comes. */
  readonly maxMs: number;
  onFire(burst: Burst): void;
}

export interface Burst {
  readonly events: number;
  /** Of the first event. */
  readonly sinceMs: number;
}

/** Makes one call of a burst of events. */
export class Debounce {
  readonly #options: DebounceOptions;
  #events = 0;
  #firstMs = 0;
  #lastMs = 0;
  #timer: { cancel(): void } | undefined;

  constructor(options: DebounceOptions) {
    this.#options = options;
  }

  /** Events that wait. */
  get events(): number {
    return this.#events;
  }

  note(): void {
    const now = this.#options.clock.monotonicMs();
    if (this.#events === 0) this.#firstMs = now;
    this.#events++;
    this.#lastMs = now;
    if (this.#timer === undefined) this.#wait(now);
  }

  #wait(now: number): void {
    const { clock, quietMs, maxMs } = this.#options;
    const dueMs = Math.min(this.#lastMs + quietMs, this.#firstMs + maxMs);
    this.#timer = clock.after(Math.max(0, dueMs - now), () => this.#onTimer());
  }

  #onTimer(): void {
    this.#timer = undefined;
    const { clock, quietMs, maxMs } = this.#options;
    const now = clock.monotonicMs();
    // Timers may fire a moment early.
    const quiet = now - this.#lastMs >= quietMs - 1;
    if (quiet || now - this.#firstMs >= maxMs - 1) this.flush();
    else this.#wait(now);
  }

  /** Fires now, if anything was noted. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#events === 0) return;
    const burst = { events: this.#events, sinceMs: this.#firstMs };
    this.#events = 0;
    this.#options.onFire(burst);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#events = 0;
  }
}
