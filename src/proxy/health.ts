import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";

interface Drain {
  readonly startMs: number;
  /** 0: at once. */
  readonly timeMs: number;
  readonly inboundOnly: boolean;
}

/** Whether clients are to go elsewhere: Envoy's drain manager. One object a worker. */
export class Health {
  /** /healthcheck/fail was called. */
  failed = false;
  #drain: Drain | undefined;

  /** From now on more and more answers say that their connection ends; after `timeMs` all do. */
  drain(options: { clock: Clock; timeMs: number; inboundOnly: boolean }): void {
    const { clock, timeMs, inboundOnly } = options;
    this.#drain = { startMs: clock.monotonicMs(), timeMs, inboundOnly };
  }

  /** Drawn anew for each answer. Clients that leave one by one do not all connect elsewhere at the same moment. */
  sendsAway(inbound: boolean, { clock, random }: { clock: Clock; random: Random }): boolean {
    if (this.failed) return true;
    const drain = this.#drain;
    if (drain === undefined || (drain.inboundOnly && !inbound)) return false;
    return clock.monotonicMs() - drain.startMs >= drain.timeMs * random.unit();
  }
}
