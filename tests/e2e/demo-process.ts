/** `heddle demo` as a process, and what a visitor and an operator do with it. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/main/heddle.ts", import.meta.url));
export const rulesFolder: string = fileURLToPath(
  new URL("../../samples/bookinfo/networking", import.meta.url),
);
const patienceMs = 120_000;

export interface Page {
  readonly status: number;
  readonly body: string;
  readonly tookMs: number;
}

export class Demo {
  readonly folder: string;
  readonly #child: ChildProcess;
  #output = "";

  static async start(folder: string, ...argv: readonly string[]): Promise<Demo> {
    const demo = new Demo(folder, argv);
    try {
      await demo.said(/Open {4}http:\/\/localhost:\d+\/productpage/);
      return demo;
    } catch (error) {
      await demo.stop();
      throw error;
    }
  }

  private constructor(folder: string, argv: readonly string[]) {
    this.folder = folder;
    this.#child = spawn(
      process.execPath,
      [main, "demo", "--dir", join(this.folder, ".heddle"), "--no-traffic", ...argv],
      { cwd: this.folder, stdio: ["ignore", "pipe", "pipe"] },
    );
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
  }

  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get port(): number {
    const [, port = "0"] = this.#output.match(/localhost:(\d+)\/productpage/) ?? [];
    return Number(port);
  }

  async said(pattern: RegExp): Promise<void> {
    await eventually(`the demo says ${pattern}\n${this.#output}`, () => {
      assert.equal(this.#child.exitCode, null, `the demo has ended:\n${this.#output}`);
      return pattern.test(this.#output) || undefined;
    });
  }

  /** A command of Heddle's that runs on, in the demo's folder. */
  spawnHeddle(t: TestContext, ...argv: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [main, ...argv], {
      cwd: this.folder,
      stdio: ["ignore", "ignore", "ignore"],
    });
    t.after(() => child.kill("SIGKILL"));
    return child;
  }

  /** Runs a command of Heddle's in the demo's folder. */
  async heddle(
    ...argv: readonly string[]
  ): Promise<{ readonly code: number; readonly output: string }> {
    const child = spawn(process.execPath, [main, ...argv], {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    const [code] = await once(child, "close");
    return { code: Number(code), output };
  }

  /** Applies rules of the sample, and waits until every proxy concerned has them. */
  async apply(...names: readonly string[]): Promise<void> {
    const files = names.flatMap((name) => ["-f", join(rulesFolder, `${name}.yaml`)]);
    const { code, output } = await this.heddle("apply", ...files, "--wait");
    assert.equal(code, 0, output);
  }

  /** Through the gateway, as `user`; status 0: there was no answer. */
  get(path: string, user?: string): Promise<Page> {
    const began = performance.now();
    return new Promise((resolve) => {
      const end = (status: number, body: string): void =>
        resolve({ status, body, tookMs: performance.now() - began });
      const headers = user === undefined ? {} : { cookie: `user=${user}` };
      const asked = get({ host: "127.0.0.1", port: this.port, path, headers, agent: false });
      asked.on("error", (error) => end(0, error.message));
      asked.on("response", (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => {
          body += text;
        });
        response.on("end", () => end(response.statusCode ?? 0, body));
        response.on("error", (error) => end(0, error.message));
      });
    });
  }

  /** Requests that a proxy has sent to the program beside it. */
  async requestsOf(workload: string): Promise<number> {
    const file = join(this.folder, ".heddle/proxies", `${workload}-1.json`);
    const bootstrap = JSON.parse(readFileSync(file, "utf8")) as {
      readonly admin: { readonly address: { readonly socketAddress: { portValue: number } } };
    };
    const { portValue } = bootstrap.admin.address.socketAddress;
    const filter = encodeURIComponent("^cluster\\.inbound.*upstream_rq_total$");
    const response = await fetch(`http://127.0.0.1:${portValue}/stats?filter=${filter}`);
    const counts = (await response.text()).matchAll(/: (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** The process of a program of the demo. */
  programPid(file: string): number {
    const processes = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(this.pid)]);
    const line = processes
      .toString()
      .split("\n")
      .find((text) => text.includes(file));
    assert.ok(line, `no ${file} among\n${processes}`);
    return Number(line.trim().split(" ", 1)[0]);
  }

  /** Which release of reviews the page was made with; undefined: none answered. */
  async release(user?: string): Promise<string | undefined> {
    const { body } = await this.get("/productpage", user);
    return body.match(/id="served-by">reviews-(v\d)</)?.[1];
  }

  /** How often each release answered. */
  async releases(count: number, user?: string): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const { body } = await this.get("/api/v1/products/0/reviews", user);
      const release = body.match(/"version":"(v\d)"/)?.[1] ?? "none";
      counts.set(release, (counts.get(release) ?? 0) + 1);
    }
    return counts;
  }

  /** Ends it as Ctrl-C does; its exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "close");
      this.#child.kill("SIGINT");
      await ended;
    }
    return this.#child.exitCode;
  }
}

/** Looks again until `look` finds something: for states that no event announces. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = AbortSignal.timeout(patienceMs);
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(!deadline.aborted, `never: ${what}`);
    await delay(50);
  }
}
