import { Timer, type TimerList } from "#lib/timers.ts";

/** A timer of a stream that most streams never have. Armed by construction. */
export class StreamTimer extends Timer {
  readonly #expired: () => void;

  constructor(list: TimerList, expired: () => void) {
    super();
    this.#expired = expired;
    list.arm(this);
  }

  onTimer(): void {
    this.#expired();
  }
}
