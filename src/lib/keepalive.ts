import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** Milliseconds; 0: never. */
export interface KeepaliveOptions {
  /** Time between an answer (or the begin) and the next question. */
  readonly intervalMs: number;
  /** A peer that has been silent for so long after a question is dead. */
  readonly timeoutMs: number;
  /** Up to this part of an interval is added to it, so that many connections do not ask at once. */
  readonly jitter: number;
  /** Ask before using a connection that has been unused for so long. */
  readonly idleMs: number;
}

export interface KeepaliveOwner {
  ping(): void;
  /** The peer has not answered. */
  onDead(): void;
}

/** Asks a peer now and then whether it still lives. Any byte from it is an answer: a busy line must not look dead. */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  readonly #owner: KeepaliveOwner;
  readonly #clock: Clock;
  readonly #random: Random;
  #timer: { cancel(): void } | undefined;
  #waiting = false;
  #stopped = false;
  #heardMs: number;

  constructor(
    options: KeepaliveOptions,
    owner: KeepaliveOwner,
    services: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#options = options;
    this.#owner = owner;
    this.#clock = services.clock;
    this.#random = services.random;
    this.#heardMs = services.clock.monotonicMs();
    this.#armInterval();
  }

  /** Bytes have come. */
  onHeard(): void {
    this.#heardMs = this.#clock.monotonicMs();
  }

  /** The answer to a PING has come. */
  onAnswer(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#timer?.cancel();
    this.#armInterval();
  }

  /** The connection is about to be used. */
  beforeUse(): void {
    const { idleMs } = this.#options;
    if (idleMs === 0 || this.#clock.monotonicMs() - this.#heardMs < idleMs) return;
    this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #armInterval(): void {
    const { intervalMs, jitter } = this.#options;
    if (intervalMs === 0 || this.#stopped) return;
    const wait = intervalMs * (1 + jitter * this.#random.unit());
    this.#timer = this.#clock.after(wait, () => this.#ask());
  }

  #ask(): void {
    if (this.#waiting || this.#stopped) return;
    this.#waiting = true;
    this.#timer?.cancel();
    this.#owner.ping();
    this.#await(this.#options.timeoutMs);
  }

  #await(milliseconds: number): void {
    const askedMs = this.#clock.monotonicMs();
    this.#timer = this.#clock.after(milliseconds, () => {
      if (this.#stopped) return;
      // Something was heard meanwhile: it lives, however long its answer waits behind other frames.
      const silentMs = this.#clock.monotonicMs() - this.#heardMs;
      if (this.#heardMs > askedMs && silentMs < milliseconds) this.#await(milliseconds - silentMs);
      else this.#owner.onDead();
    });
  }
}
