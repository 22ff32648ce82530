import type { ScaleTimersOverloadActionConfig_TimerTypeJson } from "#gen/envoy/config/overload/v3/overload_pb.js";
import type { Clock } from "#lib/clock.ts";
import { type TimerList, Timers } from "#lib/timers.ts";

export type TimerType = Exclude<ScaleTimersOverloadActionConfig_TimerTypeJson, "UNSPECIFIED">;

/** What is left of a timeout when the action is saturated. */
export type TimeoutMinimum = (fullMs: number) => number;

/** Timers of one type that reduce_timeouts names: all get shorter with the load, those that run too. */
export class ScaledTimers extends Timers {
  readonly #minimum: TimeoutMinimum;
  #level = 0;

  constructor(clock: Clock, minimum: TimeoutMinimum) {
    super(clock);
    this.#minimum = minimum;
  }

  protected override make(durationMs: number): TimerList {
    const list = super.make(durationMs);
    if (this.#level > 0) this.#scale(list);
    return list;
  }

  /** 0: timeouts are whole. 1: they are at their minimum. */
  set level(level: number) {
    this.#level = level;
    for (const list of this.lists) this.#scale(list);
  }

  #scale(list: TimerList): void {
    const full = list.durationMs;
    const least = this.#minimum(full);
    list.currentMs = least + (full - least) * (1 - this.#level);
  }
}
