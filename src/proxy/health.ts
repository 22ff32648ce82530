import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";

interface Drain {
  readonly startMs: number;
  /** 0: at once. */
  readonly timeMs: number;
  readonly inboundOnly: boolean;
}

/** Whether clients are to go elsewhere: Envoy's drain manager. One object a worker, and one for each filter chain under it. */
export class Health {
  readonly #parent: Health | undefined;
  #failed = false;
  #drain: Drain | undefined;

  /** What the parent says holds here too. */
  constructor(parent?: Health) {
    this.#parent = parent;
  }

  /** /healthcheck/fail was called. */
  get failed(): boolean {
    return this.#failed || this.#parent?.failed === true;
  }

  set failed(failed: boolean) {
    this.#failed = failed;
  }

  /** From now on more and more answers say that their connection ends; after `timeMs` all do. */
  drain(options: { clock: Clock; timeMs: number; inboundOnly: boolean }): void {
    const { clock, timeMs, inboundOnly } = options;
    this.#drain = { startMs: clock.monotonicMs(), timeMs, inboundOnly };
  }

  /** Drawn anew for each answer. Clients that leave one by one do not all connect elsewhere at the same moment. */
  sendsAway(inbound: boolean, services: { clock: Clock; random: Random }): boolean {
    if (this.#failed || this.#parent?.sendsAway(inbound, services) === true) return true;
    const { clock, random } = services;
    const drain = this.#drain;
    if (drain === undefined || (drain.inboundOnly && !inbound)) return false;
    return clock.monotonicMs() - drain.startMs >= drain.timeMs * random.unit();
  }
}
