import type { Clock } from "./clock.ts";

/** Something with a deadline. Intrusive links: arming and cancelling allocate nothing. */
export abstract class Timer {
  timerPrevious: Timer | undefined;
  timerNext: Timer | undefined;
  timerList: TimerList | undefined;
  deadlineMs = 0;

  abstract onTimer(): void;

  cancel(): void {
    this.timerList?.remove(this);
  }

  get armed(): boolean {
    return this.timerList !== undefined;
  }
}

/**
 * All timers of one duration, in the order they were armed, so the first is always the next to fire and a request's timeout costs two
 * pointer writes. One timer of the runtime serves the whole list.
 */
export class TimerList {
  readonly durationMs: number;
  readonly #clock: Clock;
  /** How much earlier than `durationMs` says. */
  #earlierMs = 0;
  #first: Timer | undefined;
  #last: Timer | undefined;
  #wake: { cancel(): void } | undefined;

  constructor(clock: Clock, durationMs: number) {
    this.#clock = clock;
    this.durationMs = durationMs;
  }

  /** Arm, or arm again, for one duration from now. */
  arm(timer: Timer): void {
    const deadlineMs = this.#clock.monotonicMs() + this.durationMs;
    // Armed a moment ago, in the same event: it stands where it should.
    if (timer.timerList === this && timer.deadlineMs === deadlineMs) return;
    timer.timerList?.remove(timer);
    timer.deadlineMs = deadlineMs;
    timer.timerList = this;
    timer.timerPrevious = this.#last;
    if (this.#last === undefined) this.#first = timer;
    else this.#last.timerNext = timer;
    this.#last = timer;
    this.#wake ??= this.#clock.after(this.currentMs, () => this.#fire());
  }

  get currentMs(): number {
    return this.durationMs - this.#earlierMs;
  }

  /** From now on timers fire after this time, those that are armed too. At least a millisecond, at most `durationMs`. */
  set currentMs(milliseconds: number) {
    this.#earlierMs = this.durationMs - Math.max(1, Math.min(this.durationMs, milliseconds));
    this.#wake?.cancel();
    this.#wake = undefined;
    if (this.#first !== undefined) this.#wakeFor(this.#first, this.#clock.monotonicMs());
  }

  #wakeFor(first: Timer, now: number): void {
    const waitMs = first.deadlineMs - this.#earlierMs - now;
    this.#wake = this.#clock.after(Math.max(1, waitMs), () => this.#fire());
  }

  remove(timer: Timer): void {
    if (timer.timerPrevious === undefined) this.#first = timer.timerNext;
    else timer.timerPrevious.timerNext = timer.timerNext;
    if (timer.timerNext === undefined) this.#last = timer.timerPrevious;
    else timer.timerNext.timerPrevious = timer.timerPrevious;
    timer.timerPrevious = undefined;
    timer.timerNext = undefined;
    timer.timerList = undefined;
  }

  #fire(): void {
    this.#wake = undefined;
    const now = this.#clock.monotonicMs();
    // Half a millisecond early is on time: the runtime's timers round down.
    while (this.#first !== undefined && this.#first.deadlineMs - this.#earlierMs <= now + 0.5) {
      const timer = this.#first;
      this.remove(timer);
      timer.onTimer();
    }
    if (this.#first === undefined || this.#wake !== undefined) return;
    this.#wakeFor(this.#first, now);
  }
}

const listsMax = 1024;

/** The lists by duration. Most durations come from configuration, so there are few; what clients may choose is not all kept. */
export class Timers {
  readonly clock: Clock;
  readonly #lists = new Map<number, TimerList>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The list for a duration; undefined for 0, which in every Envoy timeout means "none". */
  of(durationMs: number): TimerList | undefined {
    if (durationMs <= 0) return undefined;
    let list = this.#lists.get(durationMs);
    if (list === undefined) {
      list = this.make(durationMs);
      if (this.#lists.size < listsMax) this.#lists.set(durationMs, list);
    }
    return list;
  }

  protected make(durationMs: number): TimerList {
    return new TimerList(this.clock, durationMs);
  }

  protected get lists(): Iterable<TimerList> {
    return this.#lists.values();
  }
}
