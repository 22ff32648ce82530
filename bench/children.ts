import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

/** Output kept of one child, for messages; a child that writes more loses its oldest. */
const OUTPUT_CHARACTERS_MAX = 4_000_000;
const TERMINATE_MS = 3000;

export interface Child {
  readonly pid: number;
  /** Stdout and stderr, as they came. */
  output(): string;
  running(): boolean;
  /** SIGTERM, and SIGKILL for one that stays. */
  stop(patienceMs?: number): Promise<void>;
  /** Waits for the end and gives the output; a failure throws with it. */
  finish(): Promise<string>;
}

/** The processes of one benchmark: it starts them, each on one core, and ends all that are left. */
export class Children {
  readonly #children = new Set<Child>();
  #ended = false;

  start(command: readonly string[], { core }: { core: number }): Child {
    if (this.#ended) throw new Error("the benchmark is ending");
    const spawned = spawn("taskset", ["-c", String(core), ...command], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const child = follow(spawned, command);
    this.#children.add(child);
    spawned.once("close", () => this.#children.delete(child));
    return child;
  }

  /** Nothing can be started afterwards. */
  async stopAll(): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#children].map((child) => child.stop(0)));
  }
}

function follow(spawned: ChildProcess, command: readonly string[]): Child {
  if (spawned.pid === undefined) throw new Error("taskset cannot be started");
  let output = "";
  for (const stream of [spawned.stdout, spawned.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
  }
  const closed = once(spawned, "close");
  const running = (): boolean => spawned.exitCode === null && spawned.signalCode === null;
  return {
    pid: spawned.pid,
    output: () => output,
    running,
    stop: async (patienceMs = TERMINATE_MS) => {
      if (running()) spawned.kill("SIGTERM");
      await Promise.race([closed, delay(patienceMs, undefined, { ref: false })]);
      if (running()) spawned.kill("SIGKILL");
      await closed;
    },
    finish: async () => {
      await closed;
      if (spawned.exitCode !== 0) {
        throw new Error(
          `${command[0]} ended with ${spawned.exitCode ?? spawned.signalCode}:\n${output}`,
        );
      }
      return output;
    },
  };
}
