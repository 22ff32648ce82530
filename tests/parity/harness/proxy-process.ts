import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { type Json, jsonPath } from "./placeholders.ts";
import type { Side } from "./sides.ts";

/** Only a proxy that will never be ready takes so long: all cores may be busy with others that start. */
const START_MS = 90_000;
/** Starting is all CPU: more at a time than there are cores only makes each slower. */
const startsAtATime = 3;
let starting = 0;
const queue: (() => void)[] = [];

async function beginStart(): Promise<void> {
  if (starting < startsAtATime) starting++;
  else await new Promise<void>((resolve) => queue.push(resolve));
}

function endStart(): void {
  const next = queue.shift();
  if (next === undefined) starting--;
  else next();
}

export interface AdminAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

export interface StartOptions {
  readonly side: Side;
  readonly bootstrap: Json;
  /** An empty folder for the configuration and what the proxy writes. */
  readonly folder: string;
  readonly arguments?: readonly string[];
}

/** A running proxy of either side. Who starts it, stops it. */
export class ProxyProcess {
  /** What it wrote to stdout and stderr. */
  output = "";
  readonly child: ChildProcess;
  readonly exited: Promise<Finished>;
  #adminAddress = "";
  #listeners = new Map<string, ListenerAddress>();

  private constructor(
    { side, bootstrap, folder, arguments: extra = [] }: StartOptions,
    serve: boolean,
  ) {
    writeFileSync(`${folder}/bootstrap.json`, JSON.stringify(bootstrap, null, 1));
    const [command = "", ...before] = side.command();
    const serving = [...side.serveArguments, "--admin-address-path", `${folder}/admin`];
    const workers = extra.includes("--concurrency") ? [] : ["--concurrency", "1"];
    const common = ["-c", `${folder}/bootstrap.json`, ...workers, "-l", "warning"];
    this.child = spawn(command, [...before, ...common, ...(serve ? serving : []), ...extra], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    this.exited = once(this.child, "close").then(([code, signal]) => ({
      code,
      signal,
      output: this.output,
    }));
  }

  /** Starts a proxy and returns when its listeners accept. */
  static async start(options: StartOptions): Promise<ProxyProcess> {
    await beginStart();
    const proxy = new ProxyProcess(options, true);
    try {
      await proxy.#untilReady(`${options.folder}/admin`);
    } catch (error) {
      await proxy.stop();
      throw error;
    } finally {
      endStart();
    }
    return proxy;
  }

  /** Runs a command that ends by itself, such as `--mode validate`. */
  static async finish(options: StartOptions): Promise<Finished> {
    await beginStart();
    const proxy = new ProxyProcess(options, false);
    const giveUp = setTimeout(() => proxy.child.kill("SIGKILL"), START_MS);
    const finished = await proxy.exited;
    clearTimeout(giveUp);
    endStart();
    return finished;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  listener(name: string): ListenerAddress {
    const address = this.#listeners.get(name);
    if (address === undefined) {
      throw new Error(`no listener ${name}; there are ${[...this.#listeners.keys()].join(" ")}`);
    }
    return address;
  }

  async admin(path: string, method = "GET", body = ""): Promise<AdminAnswer> {
    const [host = "", port = ""] = splitAddress(this.#adminAddress);
    const outgoing = request({ host, port, path, method, agent: false });
    outgoing.end(body);
    const [incoming] = await once(outgoing, "response");
    let text = "";
    for await (const piece of incoming.setEncoding("utf8")) text += piece;
    return { status: incoming.statusCode, body: text, headers: incoming.headers };
  }

  async stop(): Promise<void> {
    if (this.running) this.child.kill("SIGKILL");
    await this.exited;
  }

  async #untilReady(addressFile: string): Promise<void> {
    const deadline = AbortSignal.timeout(START_MS);
    while (!(await this.#isReady(addressFile))) {
      if (!this.running) throw new Error(`the proxy ended before it was ready:\n${this.output}`);
      if (deadline.aborted)
        throw new Error(`the proxy is not ready after ${START_MS} ms:\n${this.output}`);
      await delay(10);
    }
    this.#listeners = readListeners((await this.admin("/listeners?format=json")).body);
  }

  async #isReady(addressFile: string): Promise<boolean> {
    try {
      this.#adminAddress = readFileSync(addressFile, "utf8").trim();
      return (await this.admin("/ready")).status === 200;
    } catch {
      return false;
    }
  }
}

export type ListenerAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

function splitAddress(text: string): readonly [string, string] {
  const colon = text.lastIndexOf(":");
  return [text.slice(0, colon).replace(/^\[|\]$/g, ""), text.slice(colon + 1)];
}

function readListeners(text: string): Map<string, ListenerAddress> {
  const result = new Map<string, ListenerAddress>();
  const statuses = jsonPath(JSON.parse(text), "listener_statuses");
  for (const status of Array.isArray(statuses) ? statuses : []) {
    const name = jsonPath(status, "name");
    const host = jsonPath(status, "local_address", "socket_address", "address");
    const port = jsonPath(status, "local_address", "socket_address", "port_value");
    const path = jsonPath(status, "local_address", "pipe", "path");
    if (typeof name !== "string") continue;
    if (typeof path === "string") result.set(name, { path });
    if (typeof host === "string" && typeof port === "number") result.set(name, { host, port });
  }
  return result;
}
