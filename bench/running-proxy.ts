import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "./children.ts";
import { processTree } from "./machine.ts";
import type { Contender } from "./proxies.ts";
import type { Rig } from "./rig.ts";
import type { ConfigKind } from "./scenarios.ts";

const READY_MS = 20_000;

export interface ProxyOptions {
  readonly proxy: Contender;
  readonly config: ConfigKind;
  /** Put before the command, such as `env NAME=value`. */
  readonly before?: readonly string[];
}

export interface RunningProxy {
  readonly port: number;
  /** All its processes. */
  readonly pids: readonly number[];
  readonly child: Child;
  stop(patienceMs?: number): Promise<void>;
}

/** Starts a proxy on its core and returns when a request has gone through it. */
export async function startProxy(rig: Rig, options: ProxyOptions): Promise<RunningProxy> {
  const { proxy, before = [] } = options;
  const folder = `${rig.folder}/${proxy.name}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const file = writeConfig(options, {
    directory: folder,
    listenPort: port,
    adminPort: await freePort(),
    upstreamPort: rig.upstream.port,
  });
  const child = rig.children.start([...before, ...proxy.command(file)], { core: rig.proxyCore });
  const stop = async (patienceMs?: number): Promise<void> => {
    await child.stop(patienceMs);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(child, port, options);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, child, pids: processTree(child.pid), stop };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  return address.port;
}

interface ConfigValues {
  readonly directory: string;
  readonly listenPort: number;
  readonly adminPort: number;
  readonly upstreamPort: number;
}

function writeConfig({ proxy, config }: ProxyOptions, values: ConfigValues): string {
  const name = proxy.configs[config];
  if (name === undefined) throw new Error(`${proxy.name} has no ${config} configuration`);
  const known = new Map(Object.entries(values));
  const template = readFileSync(new URL(`configs/${name}`, import.meta.url), "utf8");
  const text = template.replace(/__([a-z]+)__/gi, (whole, key: string) =>
    String(known.get(key) ?? whole),
  );
  const file = `${values.directory}/${name}`;
  writeFileSync(file, text);
  return file;
}

async function untilReady(child: Child, port: number, { proxy }: ProxyOptions): Promise<void> {
  const deadline = AbortSignal.timeout(READY_MS);
  while (!(await answers(port))) {
    if (!child.running())
      throw new Error(`${proxy.name} ended before it was ready:\n${child.output()}`);
    if (deadline.aborted)
      throw new Error(`${proxy.name} is not ready after ${READY_MS} ms:\n${child.output()}`);
    await delay(20);
  }
}

async function answers(port: number): Promise<boolean> {
  const agent = new Agent({ keepAlive: false });
  try {
    const headers = { "end-user": "jason" }; // The mesh-like configuration refuses anonymous requests.
    const outgoing = get({
      host: "127.0.0.1",
      port,
      path: "/api/reviews/ready",
      headers,
      agent,
      timeout: 1000,
    });
    outgoing.once("timeout", () => outgoing.destroy(new Error("no answer")));
    const [incoming] = await once(outgoing, "response");
    incoming.resume();
    await once(incoming, "close");
    return incoming.statusCode === 200;
  } catch {
    return false;
  }
}
