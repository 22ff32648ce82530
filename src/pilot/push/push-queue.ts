import type { Clock } from "#lib/clock.ts";

export interface PushQueueOptions<P> {
  readonly clock: Clock;
  /** Proxies that may be at work on a push at a time. */
  readonly concurrency: number;
  /** A proxy that has not finished by then keeps nobody else waiting. */
  readonly slotMs: number;
  /** Work that may wait until what has arrived is handled (`setImmediate`). */
  defer(work: () => void): void;
  /** Work out and send. */
  start(proxy: P): void;
}

/** Milliseconds of work between two looks at what has arrived. */
const sliceMs = 10;

/**
 * Who is to be pushed to, in order. A proxy is in it once: what changes while it waits or works goes with its next push. Requests go before
 * pushes.
 */
export class PushQueue<P> {
  readonly #options: PushQueueOptions<P>;
  readonly #waiting: Set<P> = new Set();
  readonly #working = new Map<P, { cancel(): void }>();
  #running = false;
  /** Pushes that were given up waiting for. */
  overdue = 0;

  constructor(options: PushQueueOptions<P>) {
    this.#options = options;
  }

  get depth(): number {
    return this.#waiting.size;
  }

  get working(): number {
    return this.#working.size;
  }

  add(proxy: P): void {
    this.#waiting.add(proxy);
    this.#run();
  }

  /** Its push is done. */
  done(proxy: P): void {
    const slot = this.#working.get(proxy);
    if (slot === undefined) return;
    slot.cancel();
    this.#working.delete(proxy);
    this.#run();
  }

  /** It is gone. */
  remove(proxy: P): void {
    this.#waiting.delete(proxy);
    this.done(proxy);
  }

  isIdle(proxy: P): boolean {
    return !this.#waiting.has(proxy) && !this.#working.has(proxy);
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    this.#options.defer(() => this.#slice());
  }

  #slice(): void {
    this.#running = false;
    const { clock, concurrency } = this.#options;
    const untilMs = clock.monotonicMs() + sliceMs;
    for (const proxy of this.#waiting) {
      if (this.#working.size >= concurrency) return;
      // It goes on when its own push is done.
      if (this.#working.has(proxy)) continue;
      this.#begin(proxy);
      if (clock.monotonicMs() >= untilMs) break;
    }
    if (this.#canBegin()) this.#run();
  }

  #canBegin(): boolean {
    if (this.#working.size >= this.#options.concurrency) return false;
    for (const proxy of this.#waiting) if (!this.#working.has(proxy)) return true;
    return false;
  }

  #begin(proxy: P): void {
    const { clock, slotMs, start } = this.#options;
    this.#waiting.delete(proxy);
    const slot = clock.after(slotMs, () => {
      this.overdue++;
      this.done(proxy);
    });
    this.#working.set(proxy, slot);
    start(proxy);
  }
}
