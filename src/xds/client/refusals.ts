import { Backoff, type BackoffOptions } from "#lib/backoff.ts";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { Incoming, Verdict } from "./incoming.ts";

/** Half a second, doubled each time up to two, which is also how late such a server can send what is good again; spread. */
const againAfter: BackoffOptions = { initialMs: 250, maxMs: 1000, multiplier: 2, jitter: 1 };

interface Refused {
  readonly version: string;
  readonly backoff: Backoff;
  /** The refusal that is not said yet. */
  held: { readonly verdict: Verdict; readonly timer: { cancel(): void } } | undefined;
}

/**
 * Some servers (go-control-plane's state of the world) answer a refusal with what was refused, at once and for ever: both sides would do nothing
 * else. The first refusal of a version is said at once, and those after it later and later.
 */
export class Refusals {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #settle: (typeUrl: string, verdict: Verdict) => void;
  readonly #refused: Map<string, Refused> = new Map();

  constructor(
    { clock, random }: { readonly clock: Clock; readonly random: Random },
    settle: (typeUrl: string, verdict: Verdict) => void,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#settle = settle;
  }

  /** Says the verdict now or later. */
  settle({ typeUrl, version }: Incoming, verdict: Verdict): void {
    const known = this.#refused.get(typeUrl);
    if (verdict.problems.length === 0) {
      this.#refused.delete(typeUrl);
      this.#settle(typeUrl, verdict);
    } else if (known === undefined || known.version !== version || version === "") {
      const backoff = new Backoff(againAfter, this.#random);
      this.#refused.set(typeUrl, { version, backoff, held: undefined });
      this.#settle(typeUrl, verdict);
    } else {
      const timer = this.#clock.after(known.backoff.next(), () => this.#release(typeUrl, known));
      known.held = { verdict, timer };
    }
  }

  /** Another answer has come: what was said of the one before is due now. */
  release(typeUrl: string): void {
    const known = this.#refused.get(typeUrl);
    if (known !== undefined) this.#release(typeUrl, known);
  }

  /** Something else is wanted, and a request has to say so. */
  releaseAll(): void {
    for (const [typeUrl, refused] of this.#refused) this.#release(typeUrl, refused);
  }

  close(): void {
    for (const { held } of this.#refused.values()) held?.timer.cancel();
    this.#refused.clear();
  }

  #release(typeUrl: string, refused: Refused): void {
    const { held } = refused;
    if (held === undefined) return;
    held.timer.cancel();
    refused.held = undefined;
    this.#settle(typeUrl, held.verdict);
  }
}
