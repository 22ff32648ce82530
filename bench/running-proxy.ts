import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { get as getSecurely } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import type { Certificate } from "./certificate.ts";
import type { Child } from "./children.ts";
import { processTree } from "./machine.ts";
import { freePort } from "./ports.ts";
import type { Contender } from "./proxies.ts";
import type { Rig } from "./rig.ts";
import type { ConfigKind, UpstreamName } from "./scenarios.ts";

const READY_MS = 20_000;

export interface ProxyOptions {
  readonly proxy: Contender;
  readonly config: ConfigKind;
  readonly upstream: UpstreamName;
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
  const upstream = rig.upstream(options.upstream);
  const file = writeConfig(options, {
    directory: folder,
    listenPort: port,
    adminPort: await freePort(),
    upstreamPort: upstream.port,
    ...rig.certificate,
  });
  const child = rig.children.start([...before, ...proxy.command(file)], { core: rig.proxyCore });
  const stop = async (patienceMs?: number): Promise<void> => {
    await child.stop(patienceMs);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(child, { port, readyStatus: upstream.readyStatus, options });
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, child, pids: processTree(child.pid), stop };
}

interface ConfigValues extends Certificate {
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

interface Probe {
  readonly port: number;
  readonly readyStatus: number;
  readonly options: ProxyOptions;
}

async function untilReady(child: Child, probe: Probe): Promise<void> {
  const { proxy } = probe.options;
  const deadline = AbortSignal.timeout(READY_MS);
  while ((await ask(probe)) !== probe.readyStatus) {
    if (!child.running())
      throw new Error(`${proxy.name} ended before it was ready:\n${child.output()}`);
    if (deadline.aborted)
      throw new Error(`${proxy.name} is not ready after ${READY_MS} ms:\n${child.output()}`);
    await delay(20);
  }
}

/** The status of one GET on a connection of its own. */
async function ask({ port, options }: Probe): Promise<number | undefined> {
  try {
    const request = {
      host: "127.0.0.1",
      port,
      path: "/api/reviews/ready",
      headers: { "end-user": "jason" }, // The mesh-like configuration refuses anonymous requests.
      agent: false,
      timeout: 1000,
    } as const;
    const outgoing = options.config.startsWith("tls")
      ? getSecurely({ ...request, rejectUnauthorized: false })
      : get(request);
    outgoing.once("timeout", () => outgoing.destroy(new Error("no answer")));
    const [incoming] = await once(outgoing, "response");
    incoming.resume();
    await once(incoming, "close");
    return incoming.statusCode;
  } catch {
    return undefined;
  }
}
