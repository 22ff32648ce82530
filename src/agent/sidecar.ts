import { Backoff, type BackoffOptions } from "#lib/backoff.ts";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { askAdmin } from "./admin-client.ts";
import type { HostPort } from "./bootstrap.ts";
import { Program, type ProgramExit } from "./child-process.ts";

/** A proxy to run: Heddle's own or Envoy, which take the same flags. */
export interface ProxyProgram {
  readonly kind: "heddle" | "envoy";
  readonly command: readonly string[];
}

export interface SidecarOptions {
  /** As messages name it. */
  readonly name: string;
  readonly proxy: ProxyProgram;
  readonly bootstrapFile: string;
  readonly admin: HostPort;
  readonly env: Readonly<Record<string, string>>;
  /** How long connections have to end once it is told to stop. */
  readonly drainMs: number;
  /** How long it may take to get its configuration for the first time. */
  readonly readyMs: number;
  readonly clock: Clock;
  readonly random: Random;
  onLine(line: string): void;
  /** What people should know: it died, it is back, it was given up. */
  onEvent(message: string): void;
}

export class SidecarNotReady extends Error {}

type State = "idle" | "starting" | "ready" | "restarting" | "stopping" | "given up" | "ended";

const restartBackoff: BackoffOptions = {
  initialMs: 200,
  maxMs: 10_000,
  multiplier: 2,
  jitter: 0.2,
};
/** A proxy that dies so many times, and never runs for `steadyMs` in between, will not get better by another start. */
const restartsMax = 10;
const steadyMs = 60_000;
const pollMs = 40;
const killAfterMs = 2_000;
const lastLinesMax = 8;

/** A proxy process, kept alive: started, waited for, started again with growing pauses when it dies, drained at the end. */
export class Sidecar {
  readonly #options: SidecarOptions;
  readonly #backoff: Backoff;
  readonly #lastLines: string[] = [];
  #state: State = "idle";
  #program: Program | undefined;
  #run: Promise<void> = Promise.resolve();
  #restarts = 0;
  #endWait: () => void = () => {};

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#backoff = new Backoff(restartBackoff, options.random);
  }

  get state(): State {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#program?.pid;
  }

  /** How often it was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Resolves when the proxy has its configuration and listens. Throws SidecarNotReady, and has stopped it then. */
  async start(): Promise<void> {
    this.#state = "starting";
    const program = await this.#startProgram();
    const began = this.#options.clock.monotonicMs();
    const deadline = began + this.#options.readyMs;
    const status = await this.#untilReady(program, deadline);
    if (status !== "ready") {
      const why = this.#whyNotReady(program, status);
      await program.stop(0, this.#options.clock);
      this.#state = "ended";
      throw new SidecarNotReady(why);
    }
    this.#to("ready");
    this.#run = this.#keepAlive(program, began);
  }

  /** Drains and ends it. */
  async stop(): Promise<void> {
    if (this.#state === "idle" || this.#state === "ended") return;
    this.#state = "stopping";
    this.#endWait();
    const { clock, drainMs, proxy } = this.#options;
    const program = this.#program;
    if (program?.exit === undefined && program !== undefined) {
      // Envoy ends at a signal without draining; Heddle's proxy drains at the first one.
      if (proxy.kind === "envoy") await this.#drainEnvoy();
      await program.stop(proxy.kind === "envoy" ? killAfterMs : drainMs + killAfterMs, clock);
    }
    await this.#run;
    this.#state = "ended";
  }

  async #keepAlive(first: Program, firstBegan: number): Promise<void> {
    const { clock, name, onEvent } = this.#options;
    let [program, began] = [first, firstBegan];
    let deaths = 0;
    for (;;) {
      const exit = await program.ended;
      if (this.#state === "stopping") return;
      if (clock.monotonicMs() - began > steadyMs) {
        deaths = 0;
        this.#backoff.reset();
      }
      deaths += 1;
      if (deaths > restartsMax) {
        this.#to("given up");
        onEvent(`${name}: ${ended(exit)} ${deaths} times and is given up${this.#said()}`);
        return;
      }
      this.#to("restarting");
      onEvent(`${name}: ${ended(exit)}; it is started again${this.#said()}`);
      await this.#wait(this.#backoff.next());
      if (this.#stopping()) return;
      program = await this.#startProgram();
      this.#restarts += 1;
      began = clock.monotonicMs();
      if ((await this.#untilReady(program, Number.POSITIVE_INFINITY)) === "ready") {
        this.#to("ready");
        onEvent(`${name}: is back`);
      }
    }
  }

  /** Stopping ends what others would do next. */
  #to(state: State): void {
    if (!this.#stopping()) this.#state = state;
  }

  #stopping(): boolean {
    return this.#state === "stopping";
  }

  async #startProgram(): Promise<Program> {
    const { proxy, bootstrapFile, drainMs, env, onLine } = this.#options;
    const drainSeconds = String(Math.max(1, Math.ceil(drainMs / 1000)));
    const flags = ["-c", bootstrapFile, "--concurrency", "1", "--drain-time-s", drainSeconds];
    this.#lastLines.length = 0;
    this.#program = await Program.start({
      command: [...proxy.command, ...flags, "--log-level", "warning", "--disable-hot-restart"],
      env,
      terminal: "own",
      onLine: (line) => {
        if (this.#lastLines.push(line) > lastLinesMax) this.#lastLines.shift();
        onLine(line);
      },
    });
    return this.#program;
  }

  async #untilReady(program: Program, deadline: number): Promise<string> {
    const { admin, clock } = this.#options;
    let status = "its admin port does not answer";
    while (program.exit === undefined && !this.#stopping()) {
      const answer = await askAdmin(admin, "/ready");
      if (answer?.status === 200) return "ready";
      if (answer !== undefined) status = answer.body.trim();
      if (clock.monotonicMs() > deadline) break;
      await this.#wait(pollMs);
    }
    return status;
  }

  #whyNotReady(program: Program, status: string): string {
    const { name, readyMs } = this.#options;
    if (program.exit !== undefined) return `${name}: ${ended(program.exit)}${this.#said()}`;
    return `${name}: not ready after ${readyMs / 1000} s (${status})${this.#said()}`;
  }

  #said(): string {
    return this.#lastLines.map((line) => `\n  ${line}`).join("");
  }

  async #drainEnvoy(): Promise<void> {
    const { admin, clock, drainMs } = this.#options;
    await askAdmin(admin, "/drain_listeners?graceful", { method: "POST" });
    const deadline = clock.monotonicMs() + drainMs;
    while (clock.monotonicMs() < deadline) {
      const stats = await askAdmin(admin, "/stats?filter=^http\\..*downstream_cx_active$");
      // The admin port's own connections are none of ours.
      const open = (stats?.body ?? "").split("\n").filter((line) => !line.startsWith("http.admin"));
      if (!open.some((line) => /: [1-9]/.test(line))) return;
      await this.#wait(pollMs);
    }
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      // The system clock's timers keep no process alive; what is waited for here does, by its process.
      const timer = this.#options.clock.after(milliseconds, resolve);
      this.#endWait = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

function ended({ code, signal }: ProgramExit): string {
  return signal === undefined ? `the proxy ended with code ${code}` : `the proxy died of ${signal}`;
}
