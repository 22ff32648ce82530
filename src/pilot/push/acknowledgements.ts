import type { Clock } from "#lib/clock.ts";
import type { ConnectedProxy } from "./connected-proxy.ts";

/** How far the proxies are with a revision. Node ids. */
export interface Acknowledged {
  /** Those whom it brought something, and who took it. */
  readonly acked: readonly string[];
  readonly refused: readonly RefusedResources[];
  readonly pending: readonly string[];
}

export interface RefusedResources {
  readonly proxy: string;
  /** `cds` */
  readonly type: string;
  /** The proxy's own words. */
  readonly detail: string;
}

interface Waiter {
  readonly done: () => void;
}

/** Waits at a time; one more is answered at once, with what is known. */
const waitersMax = 1000;

export interface AcknowledgementSources {
  proxies(): Iterable<ConnectedProxy>;
  /** Some proxy has not answered to all of the revision yet. */
  isBehind(revision: number): boolean;
}

/** Who waits until every proxy concerned has taken a revision. */
export class Acknowledgements {
  readonly #clock: Clock;
  readonly #sources: AcknowledgementSources;
  readonly #waiters: Set<Waiter> = new Set();

  constructor(clock: Clock, sources: AcknowledgementSources) {
    this.#clock = clock;
    this.#sources = sources;
  }

  async wait(revision: number, timeoutMs: number): Promise<Acknowledged> {
    const isDone = () => !this.#sources.isBehind(revision);
    if (!isDone() && this.#waiters.size < waitersMax) await this.#until(timeoutMs, isDone);
    return this.report(revision);
  }

  #until(timeoutMs: number, isDone: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        this.#waiters.delete(waiter);
        timer.cancel();
        resolve();
      };
      const waiter = {
        done: () => {
          if (isDone()) finish();
        },
      };
      const timer = this.#clock.after(timeoutMs, finish);
      this.#waiters.add(waiter);
    });
  }

  /** Something is acknowledged, refused or gone. */
  check(): void {
    for (const { done } of [...this.#waiters]) done();
  }

  report(revision: number): Acknowledged {
    const acked = new Set<string>();
    const pending = new Set<string>();
    const refused: RefusedResources[] = [];
    for (const proxy of this.#sources.proxies()) {
      if (proxy.settledRevision < revision) pending.add(proxy.id);
      const refusals = [...proxy.refusals.values()].filter((one) => one.revision >= revision);
      for (const { type, detail } of refusals)
        refused.push({ proxy: proxy.id, type: type.name, detail });
      if (refusals.length === 0 && proxy.concernedRevision >= revision) acked.add(proxy.id);
    }
    // A proxy with several streams has acknowledged when all of them have.
    for (const id of [...pending, ...refused.map(({ proxy }) => proxy)]) acked.delete(id);
    return { acked: [...acked], refused, pending: [...pending] };
  }
}
