import type { Clock } from "#lib/clock.ts";

/** When resources run out (`Resource.ttl`). One timer for the next of them. */
export class Expiries {
  readonly #clock: Clock;
  readonly #onExpired: (typeUrl: string, names: readonly string[]) => void;
  readonly #atMs: Map<string, Map<string, number>> = new Map();
  #timer: { cancel(): void } | undefined;
  #timerMs: number = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, onExpired: (typeUrl: string, names: readonly string[]) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** Undefined: it does not run out. */
  set(typeUrl: string, name: string, ttlMs: number | undefined): void {
    const names = this.#atMs.get(typeUrl);
    if (ttlMs === undefined) {
      names?.delete(name);
      return;
    }
    const atMs = this.#clock.monotonicMs() + ttlMs;
    if (names === undefined) this.#atMs.set(typeUrl, new Map([[name, atMs]]));
    else names.set(name, atMs);
    if (atMs < this.#timerMs) this.#wait(atMs);
  }

  has(typeUrl: string, name: string): boolean {
    return this.#atMs.get(typeUrl)?.has(name) === true;
  }

  close(): void {
    this.#timer?.cancel();
    this.#atMs.clear();
  }

  #wait(atMs: number): void {
    this.#timer?.cancel();
    this.#timerMs = atMs;
    this.#timer = this.#clock.after(Math.max(0, atMs - this.#clock.monotonicMs()), () =>
      this.#expire(),
    );
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#timerMs = Number.POSITIVE_INFINITY;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [typeUrl, names] of this.#atMs) {
      const expired: string[] = [];
      for (const [name, atMs] of names) {
        if (atMs <= nowMs) expired.push(name);
        else nextMs = Math.min(nextMs, atMs);
      }
      for (const name of expired) names.delete(name);
      if (expired.length > 0) this.#onExpired(typeUrl, expired);
    }
    if (nextMs < this.#timerMs) this.#wait(nextMs);
  }
}
