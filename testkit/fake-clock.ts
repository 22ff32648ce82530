import type { Clock } from "#lib/clock.ts";

interface Waiting {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only when told. Callbacks run in the order of their times, each seeing its own time. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #startWallMs: number;
  readonly #waiting: Set<Waiting> = new Set();

  constructor(startWallMs: number = Date.UTC(2026, 0, 1)) {
    this.#startWallMs = startWallMs;
  }

  wallMs(): number {
    return this.#startWallMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Timers that have not fired. */
  get waiting(): number {
    return this.#waiting.size;
  }

  after(milliseconds: number, callback: () => void): { cancel(): void } {
    const entry = { atMs: this.#nowMs + milliseconds, order: this.#order++, callback };
    this.#waiting.add(entry);
    return { cancel: () => this.#waiting.delete(entry) };
  }

  advance(milliseconds: number): void {
    const untilMs = this.#nowMs + milliseconds;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#waiting.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Waiting | undefined {
    let first: Waiting | undefined;
    for (const entry of this.#waiting) {
      if (entry.atMs > untilMs) continue;
      const sooner =
        first === undefined ||
        entry.atMs < first.atMs ||
        (entry.atMs === first.atMs && entry.order < first.order);
      if (sooner) first = entry;
    }
    return first;
  }
}
