import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { ask } from "./ask.ts";
import type { HostPort } from "./bootstrap.ts";
import { savedFolder } from "./bootstrap-file.ts";
import { Program } from "./child-process.ts";
import { ended, KeptProcess } from "./kept-process.ts";

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
  onStart?: ((pid: number) => void) | undefined;
  onLine(line: string): void;
  onEvent(message: string): void;
}

export class SidecarNotReady extends Error {}

const pollMs = 40;
const killAfterMs = 2_000;
const lastLinesMax = 8;

/** A proxy process, kept alive: started, waited for, started again when it dies, drained at the end. */
export class Sidecar {
  readonly #options: SidecarOptions;
  readonly #process: KeptProcess;
  readonly #lastLines: string[] = [];
  #ready = false;

  constructor(options: SidecarOptions) {
    this.#options = options;
    const { name, clock, random, onEvent } = options;
    this.#process = new KeptProcess({
      name,
      clock,
      random,
      onEvent,
      onStart: options.onStart,
      start: () => this.#startProgram(),
      restartAfter: () => true,
      restarted: async (program) =>
        (await this.#untilReady(program, Number.POSITIVE_INFINITY)) === "ready",
      lastWords: () => this.#said(),
    });
  }

  get ready(): boolean {
    return this.#ready && this.#process.state === "running";
  }

  get pid(): number | undefined {
    return this.#process.program?.pid;
  }

  /** How often it was started again. */
  get restarts(): number {
    return this.#process.restarts;
  }

  /** Resolves when the proxy has its configuration and listens. Throws SidecarNotReady, and has stopped it then. */
  async start(): Promise<void> {
    const program = await this.#process.start();
    const deadline = this.#options.clock.monotonicMs() + this.#options.readyMs;
    const status = await this.#untilReady(program, deadline);
    if (status !== "ready") {
      const why = this.#whyNotReady(program, status);
      await this.#process.stop(() => program.stop(0, this.#options.clock));
      throw new SidecarNotReady(why);
    }
    this.#ready = true;
    this.#process.keep();
  }

  /** Drains and ends it. */
  stop(): Promise<void> {
    this.#ready = false;
    const { clock, drainMs, proxy } = this.#options;
    return this.#process.stop(async (program) => {
      // Envoy ends at a signal without draining; Heddle's proxy drains at the first one.
      if (proxy.kind === "envoy") await this.#drainEnvoy();
      await program.stop(proxy.kind === "envoy" ? killAfterMs : drainMs + killAfterMs, clock);
    });
  }

  /** At once, while `stop` waits. */
  kill(): void {
    this.#process.program?.signal("SIGKILL");
  }

  #startProgram(): Promise<Program> {
    const { proxy, bootstrapFile, drainMs, env, onLine } = this.#options;
    const drainSeconds = String(Math.max(1, Math.ceil(drainMs / 1000)));
    const flags = ["-c", bootstrapFile, "--concurrency", "1", "--drain-time-s", drainSeconds];
    // Envoy warns of its own defaults and of fields that Istio's configuration has; nobody can do anything about it.
    if (proxy.kind === "envoy") flags.push("--component-log-level", "main:error,misc:error");
    // Started again while Pilot is away it goes on with what it had.
    else flags.push("--xds-save-path", savedFolder(bootstrapFile));
    this.#lastLines.length = 0;
    return Program.start({
      command: [...proxy.command, ...flags, "--log-level", "warning", "--disable-hot-restart"],
      env,
      terminal: "own",
      onLine: (line) => {
        if (this.#lastLines.push(line) > lastLinesMax) this.#lastLines.shift();
        onLine(line);
      },
    });
  }

  async #untilReady(program: Program, deadline: number): Promise<string> {
    const { admin, clock } = this.#options;
    let status = "its admin port does not answer";
    while (program.exit === undefined && !this.#process.stopping) {
      const answer = await ask(admin, "/ready");
      if (answer?.status === 200) return "ready";
      if (answer !== undefined) status = answer.body.trim();
      if (clock.monotonicMs() > deadline) break;
      await this.#process.wait(pollMs);
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
    await ask(admin, "/drain_listeners?graceful", { method: "POST" });
    const deadline = clock.monotonicMs() + drainMs;
    while (clock.monotonicMs() < deadline) {
      const stats = await ask(admin, "/stats?filter=^http\\..*downstream_cx_active$");
      // The admin port's own connections are none of ours.
      const open = (stats?.body ?? "").split("\n").filter((line) => !line.startsWith("http.admin"));
      if (!open.some((line) => /: [1-9]/.test(line))) return;
      await this.#process.wait(pollMs);
    }
  }
}
