/** Commands of Heddle's as processes. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "./demo-process.ts";

const main = fileURLToPath(new URL("../../src/main/heddle.ts", import.meta.url));

/** A command that runs on. */
export class Running {
  readonly child: ChildProcess;
  readonly #ended: Promise<readonly unknown[]>;
  #output = "";

  constructor(t: TestContext, folder: string, argv: readonly string[]) {
    this.child = spawn(process.execPath, [main, ...argv], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#ended = once(this.child, "close");
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    t.after(() => this.stop());
  }

  get output(): string {
    return this.#output;
  }

  async said(pattern: RegExp): Promise<RegExpMatchArray> {
    return eventually(`${pattern}`, () => {
      const found = this.#output.match(pattern);
      assert.ok(found !== null || this.child.exitCode === null, `it has ended:\n${this.#output}`);
      return found ?? undefined;
    });
  }

  /** As a terminal's user ends it; resolves with the exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.#ended;
    return this.child.exitCode;
  }
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that ends by itself. */
export async function heddle(folder: string, ...argv: readonly string[]): Promise<Finished> {
  const child = spawn(process.execPath, [main, ...argv], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (chunk: Buffer) => {
      texts[name] += chunk.toString();
    });
  await once(child, "close");
  return { code: child.exitCode, ...texts };
}
