import { Backoff, type BackoffOptions } from "#lib/backoff.ts";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { Program, ProgramExit } from "./child-process.ts";

export interface KeptProcessOptions {
  /** As messages name it. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  start(): Promise<Program>;
  /** After such an end it is started again. */
  restartAfter(exit: ProgramExit): boolean;
  /** It was started again. Resolves with true when it does its work. */
  restarted(program: Program): Promise<boolean>;
  /** What it said last, for messages. */
  lastWords(): string;
  /** A process of its own number runs from now on. */
  onStart?: ((pid: number) => void) | undefined;
  /** What people should know: it died, it is back, it was given up. */
  onEvent(message: string): void;
}

export type KeptState = "idle" | "running" | "restarting" | "given up" | "stopping" | "ended";

const restartBackoff: BackoffOptions = {
  initialMs: 200,
  maxMs: 10_000,
  multiplier: 2,
  jitter: 0.2,
};
/** A process that dies so many times, and never runs for `steadyMs` in between, will not get better by another start. */
const restartsMax = 10;
const steadyMs = 60_000;

/** A process that is started again when it dies, with growing pauses. */
export class KeptProcess {
  readonly #options: KeptProcessOptions;
  readonly #backoff: Backoff;
  #state: KeptState = "idle";
  #program: Program | undefined;
  #run: Promise<void> = Promise.resolve();
  #restarts = 0;
  #endWait: () => void = () => {};

  constructor(options: KeptProcessOptions) {
    this.#options = options;
    this.#backoff = new Backoff(restartBackoff, options.random);
  }

  get state(): KeptState {
    return this.#state;
  }

  get program(): Program | undefined {
    return this.#program;
  }

  /** How often it was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  get stopping(): boolean {
    return this.#state === "stopping" || this.#state === "ended";
  }

  /** Starts it for the first time; from `keep` on it is kept alive. */
  async start(): Promise<Program> {
    this.#state = "running";
    this.#program = await this.#options.start();
    this.#options.onStart?.(this.#program.pid);
    return this.#program;
  }

  keep(): void {
    const program = this.#program;
    if (program !== undefined && !this.stopping) this.#run = this.#keepAlive(program);
  }

  /** Ends it: `end` asks the process to, however it is to be asked. */
  async stop(end: (program: Program) => Promise<unknown>): Promise<void> {
    if (this.#state === "idle" || this.#state === "ended") return;
    this.#state = "stopping";
    this.#endWait();
    const program = this.#program;
    if (program !== undefined && program.exit === undefined) await end(program);
    await this.#run;
    // What was being started while it was told to stop.
    if (this.#program !== program && this.#program?.exit === undefined)
      await this.#program?.stop(0, this.#options.clock);
    this.#state = "ended";
  }

  /** Ends early when the process is told to stop. */
  wait(milliseconds: number): Promise<void> {
    if (this.#state === "ended") return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(milliseconds, resolve);
      this.#endWait = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  async #keepAlive(first: Program): Promise<void> {
    const { clock, name, onEvent, lastWords } = this.#options;
    let program = first;
    for (let deaths = 1; ; deaths++) {
      const began = clock.monotonicMs();
      const exit = await program.ended;
      if (this.stopping) return;
      if (clock.monotonicMs() - began > steadyMs) {
        deaths = 1;
        this.#backoff.reset();
      }
      if (!this.#options.restartAfter(exit)) {
        this.#to("ended");
        onEvent(`${name}: ${ended(exit)}${exit.code === 0 ? "" : lastWords()}`);
        return;
      }
      if (deaths > restartsMax) {
        this.#to("given up");
        onEvent(`${name}: ${ended(exit)}, ${deaths} times; it is given up${lastWords()}`);
        return;
      }
      this.#to("restarting");
      onEvent(`${name}: ${ended(exit)}; it is started again${lastWords()}`);
      const next = await this.#startAgain();
      if (next === undefined) return;
      program = next;
    }
  }

  /** Undefined: it is told to stop, or cannot be started. */
  async #startAgain(): Promise<Program | undefined> {
    const { name, onEvent, start, restarted } = this.#options;
    await this.wait(this.#backoff.next());
    if (this.stopping) return undefined;
    try {
      this.#program = await start();
      this.#options.onStart?.(this.#program.pid);
    } catch (error) {
      this.#to("given up");
      onEvent(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
    this.#restarts += 1;
    if (await restarted(this.#program)) {
      this.#to("running");
      if (!this.stopping) onEvent(`${name}: is back`);
    }
    return this.#program;
  }

  /** Stopping ends what others would do next. */
  #to(state: KeptState): void {
    if (!this.stopping) this.#state = state;
  }
}

export function ended({ code, signal }: ProgramExit): string {
  return signal === undefined ? `ended with code ${code}` : `died of ${signal}`;
}
