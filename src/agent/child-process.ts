import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import type { Clock } from "#lib/clock.ts";

export interface ProgramOptions {
  readonly command: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /**
   * `shared`: it is the terminal's foreground program and gets the terminal's signals and input itself. `own`: a group of processes of its own,
   * which hears only from us, and is ended with everything it has started.
   */
  readonly terminal: "shared" | "own";
  /** Each line it writes, without its end; undefined: it writes to our own output. */
  readonly onLine?: ((line: string, stream: "stdout" | "stderr") => void) | undefined;
}

/** How a program ended: by itself or by a signal. */
export type ProgramExit =
  | { readonly code: number; readonly signal?: undefined }
  | { readonly code?: undefined; readonly signal: NodeJS.Signals };

/** A program that cannot be started; `exitCode` is what a shell says then. */
export class ProgramNotStarted extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, options: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** A shell's exit code for it: 128 and the signal's number. */
export function exitCodeOf(exit: ProgramExit, signals: Readonly<Record<string, number>>): number {
  return exit.signal === undefined ? exit.code : 128 + (signals[exit.signal] ?? 0);
}

/** Longer lines are cut into several, so that a program which never ends its line cannot fill the memory. */
const lineCharactersMax = 16_384;

/** A program that runs. */
export class Program {
  readonly pid: number;
  /** Resolves when it has ended and all that it wrote was read; never rejects. */
  readonly ended: Promise<ProgramExit>;
  readonly #child: ChildProcess;
  readonly #grouped: boolean;
  #exit: ProgramExit | undefined;

  static start(options: ProgramOptions): Promise<Program> {
    const [file = "", ...argv] = options.command;
    const output = options.onLine === undefined ? "inherit" : "pipe";
    return new Promise((resolve, reject) => {
      const fail = (cause: NodeJS.ErrnoException): void => reject(notStarted(options, cause));
      try {
        const child = spawn(file, argv, {
          cwd: options.cwd,
          env: options.env,
          detached: options.terminal === "own",
          stdio: [options.terminal === "own" ? "ignore" : "inherit", output, output],
        });
        child.once("error", fail);
        child.once("spawn", () => {
          child.off("error", fail);
          resolve(new Program(child, options));
        });
      } catch (cause) {
        fail(cause instanceof Error ? cause : new Error(String(cause)));
      }
    });
  }

  private constructor(child: ChildProcess, { terminal, onLine }: ProgramOptions) {
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.#grouped = terminal === "own";
    // A signal that finds no process: it has ended meanwhile.
    child.on("error", () => {});
    if (onLine !== undefined) {
      readLines(child.stdout, (line) => onLine(line, "stdout"));
      readLines(child.stderr, (line) => onLine(line, "stderr"));
    }
    this.ended = new Promise((resolve) => {
      // "exit" and not "close": a grandchild that holds the output open must not keep us waiting.
      child.once("exit", (code, signal) => {
        this.#exit = signal === null ? { code: code ?? 0 } : { signal };
        // What was written before the end is read in the next turn of the loop.
        setImmediate(() => resolve(this.#exit ?? { code: 0 }));
      });
    });
  }

  /** Undefined: it runs. */
  get exit(): ProgramExit | undefined {
    return this.#exit;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exit !== undefined || this.pid === 0) return;
    try {
      process.kill(this.#grouped ? -this.pid : this.pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }

  /** Asks it to end, and kills it and what it has started when it has not after `graceMs`. */
  async stop(graceMs: number, clock: Clock): Promise<ProgramExit> {
    this.signal("SIGTERM");
    const timer = clock.after(graceMs, () => this.signal("SIGKILL"));
    const exit = await this.ended;
    timer.cancel();
    if (this.#grouped) killGroup(this.pid);
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    return exit;
  }
}

/** What it has started and left behind. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left, which is how it should be.
  }
}

function readLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  stream?.on("data", (chunk: Buffer) => {
    rest += decoder.write(chunk);
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
    while (rest.length > lineCharactersMax) {
      onLine(rest.slice(0, lineCharactersMax));
      rest = rest.slice(lineCharactersMax);
    }
  });
  stream?.on("end", () => {
    if (rest !== "") onLine(rest);
  });
  stream?.on("error", () => {});
}

function notStarted(options: ProgramOptions, cause: NodeJS.ErrnoException): ProgramNotStarted {
  const [file = ""] = options.command;
  const { cwd } = options;
  // The system says the same of an absent program and of an absent folder to start it in.
  if (cause.code === "ENOENT" && cwd !== undefined && !existsSync(cwd))
    return new ProgramNotStarted(`${cwd}: there is no such folder to start ${file} in`, 126, {
      cause,
    });
  if (cause.code === "ENOENT") {
    const where = file.includes("/") ? `from ${cwd ?? process.cwd()}` : "on the PATH";
    return new ProgramNotStarted(`${file}: not found ${where}`, 127, { cause });
  }
  return new ProgramNotStarted(`${file}: cannot be started: ${cause.message}`, 126, { cause });
}
