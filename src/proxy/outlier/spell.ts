/** In milliseconds. */
export interface SpellTimes {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** A state of a host that ends by itself, and that lasts one base time longer each time it comes back soon. */
export class Spell {
  active = false;
  count = 0;
  /** The last time. */
  beganAtMs: number | undefined;
  endedAtMs: number | undefined;
  #backoff = 0;
  #jitterMs = 0;

  begin(now: number, { baseMs, maxMs }: SpellTimes, jitterMs: number): void {
    this.active = true;
    this.count++;
    this.beganAtMs = now;
    this.#jitterMs = jitterMs;
    if (this.#backoff * baseMs < maxMs + baseMs) this.#backoff++;
  }

  isOver(now: number, { baseMs, maxMs }: SpellTimes): boolean {
    if (!this.active || this.beganAtMs === undefined) return false;
    return Math.min(baseMs * this.#backoff, maxMs) + this.#jitterMs <= now - this.beganAtMs;
  }

  end(now: number): void {
    this.active = false;
    this.endedAtMs = now;
  }

  /** At the end of an interval: one that was quiet makes the next spell shorter. */
  relax(now: number, intervalMs: number): void {
    if (this.active || this.endedAtMs === undefined || now - this.endedAtMs < intervalMs) return;
    if (this.#backoff > 0) this.#backoff--;
  }
}
