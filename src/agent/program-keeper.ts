import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { Program, type ProgramOptions } from "./child-process.ts";
import { type HealthProbe, isHealthy } from "./health-probe.ts";
import { ended, KeptProcess } from "./kept-process.ts";

export interface ProgramKeeperOptions {
  readonly name: string;
  readonly program: Omit<ProgramOptions, "terminal" | "onLine">;
  /** Undefined: it is well as soon as it runs. */
  readonly health: HealthProbe | undefined;
  readonly healthyMs: number;
  readonly restart: "no" | "on-failure" | "always";
  readonly clock: Clock;
  readonly random: Random;
  onStart?: ((pid: number) => void) | undefined;
  onLine(line: string, stream: "stdout" | "stderr"): void;
  onEvent(message: string): void;
  /** It does its work from now on, or does not. */
  onHealth(healthy: boolean): void;
}

export class ProgramNotHealthy extends Error {}

const pollMs = 40;

/** A program that nobody sits before: started, waited for, started again when it fails. */
export class ProgramKeeper {
  readonly #options: ProgramKeeperOptions;
  readonly #process: KeptProcess;

  constructor(options: ProgramKeeperOptions) {
    this.#options = options;
    const { name, clock, random, restart, onEvent } = options;
    this.#process = new KeptProcess({
      name,
      clock,
      random,
      onEvent,
      onStart: options.onStart,
      start: () => this.#startProgram(),
      restartAfter: (exit) => {
        options.onHealth(false);
        return restart === "always" || (restart === "on-failure" && exit.code !== 0);
      },
      restarted: async (program) => {
        const found = await this.#untilHealthy(program, Number.POSITIVE_INFINITY);
        if (found === "healthy") options.onHealth(true);
        return found === "healthy";
      },
      // Its output is shown anyway.
      lastWords: () => "",
    });
  }

  get pid(): number | undefined {
    return this.#process.program?.pid;
  }

  get state(): KeptProcess["state"] {
    return this.#process.state;
  }

  get restarts(): number {
    return this.#process.restarts;
  }

  /** Resolves when it is healthy. Throws ProgramNotHealthy or ProgramNotStarted. */
  async start(): Promise<void> {
    const { name, health, healthyMs, clock } = this.#options;
    const program = await this.#process.start();
    const found = await this.#untilHealthy(program, clock.monotonicMs() + healthyMs);
    if (found === "ended" && !this.#process.stopping) {
      const exit = await program.ended;
      throw new ProgramNotHealthy(`${name}: ${ended(exit)} before it was healthy`);
    }
    this.#process.keep();
    if (found === "healthy") this.#options.onHealth(true);
    if (found === "in time no") {
      const { host, port } = health?.at ?? { host: "", port: 0 };
      const path = health?.kind === "http" ? health.path : "";
      throw new ProgramNotHealthy(
        `${name}: not healthy after ${healthyMs / 1000} s: nothing good at ${host}:${port}${path}; a program listens on the port that the variable PORT names`,
      );
    }
  }

  async stop(graceMs: number): Promise<void> {
    await this.#process.stop((program) => program.stop(graceMs, this.#options.clock));
  }

  /** At once, while `stop` waits. */
  kill(): void {
    this.#process.program?.signal("SIGKILL");
  }

  #startProgram(): Promise<Program> {
    const { program, onLine } = this.#options;
    return Program.start({ ...program, terminal: "own", onLine });
  }

  async #untilHealthy(
    program: Program,
    deadline: number,
  ): Promise<"healthy" | "ended" | "in time no"> {
    const { health, clock } = this.#options;
    while (program.exit === undefined && !this.#process.stopping) {
      if (health === undefined || (await isHealthy(health))) return "healthy";
      if (clock.monotonicMs() > deadline) return "in time no";
      await this.#process.wait(pollMs);
    }
    return "ended";
  }
}
