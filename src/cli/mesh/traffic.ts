import { Agent, get } from "node:http";
import type { Clock } from "#lib/clock.ts";

export interface TrafficOptions {
  readonly port: number;
  readonly path: string;
  readonly perSecond: number;
  readonly clock: Clock;
  /** Who asks: one after the other, undefined for nobody in particular. */
  readonly users: readonly (string | undefined)[];
}

export interface TrafficCount {
  readonly sent: number;
  /** Answers with a status below 500. */
  readonly good: number;
  readonly bad: number;
}

/** More are not sent: the mesh is slower than the demo asks. */
const underWayMax = 100;
const patienceMs = 20_000;

/** A steady stream of requests that a visitor might make. */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: underWayMax });
  #timer: { cancel(): void } | undefined;
  #underWay = 0;
  #sent = 0;
  #good = 0;
  #bad = 0;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#timer !== undefined;
  }

  get count(): TrafficCount {
    return { sent: this.#sent, good: this.#good, bad: this.#bad };
  }

  start(): void {
    if (this.#timer === undefined) this.#next();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  destroy(): void {
    this.stop();
    this.#agent.destroy();
  }

  #next(): void {
    const { clock, perSecond } = this.#options;
    this.#timer = clock.after(1000 / perSecond, () => {
      this.#next();
      if (this.#underWay < underWayMax) this.#ask();
    });
  }

  #ask(): void {
    const { port, path, users } = this.#options;
    const user = users[this.#sent++ % users.length];
    const headers = user === undefined ? {} : { cookie: `user=${user}` };
    this.#underWay += 1;
    let ended = false;
    const done = (good: boolean): void => {
      if (ended) return;
      ended = true;
      this.#underWay -= 1;
      if (good) this.#good += 1;
      else this.#bad += 1;
    };
    const asked = get(
      { host: "127.0.0.1", port, path, headers, agent: this.#agent, timeout: patienceMs },
      (response) => {
        response.on("end", () => done((response.statusCode ?? 500) < 500));
        response.on("error", () => done(false));
        response.resume();
      },
    );
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => done(false));
  }
}
