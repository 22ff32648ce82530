import { mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Child, Children } from "./children.ts";
import { freePort, listens } from "./ports.ts";
import type { UpstreamName } from "./scenarios.ts";
import type { Tools } from "./setup.ts";

const READY_MS = 5000;

/** A server behind the proxies, on the core of the load generator. */
export interface Upstream {
  readonly port: number;
  readonly pid: number;
  /** What a GET through a proxy is answered with when everything works. */
  readonly readyStatus: number;
}

export interface UpstreamPlace {
  readonly children: Children;
  readonly tools: Tools;
  readonly core: number;
  readonly folder: string;
}

export async function startUpstream(name: UpstreamName, place: UpstreamPlace): Promise<Upstream> {
  const { children, core } = place;
  const port = await freePort();
  const child = children.start(commands[name](port, place), { core });
  await untilListening(name, port, child);
  // gRPC's answer to a GET is 415: it wants a POST of its own content type.
  return { port, pid: child.pid, readyStatus: name === "grpc" ? 415 : 200 };
}

type Command = (port: number, place: UpstreamPlace) => readonly string[];

const commands: { readonly [name in UpstreamName]: Command } = {
  http1: (port, { tools }) => [tools.path("upstream"), String(port)],
  http2: (port, { folder }) => {
    const root = `${folder}/documents`;
    mkdirSync(`${root}/api/reviews`, { recursive: true });
    writeFileSync(`${root}/get`, "x".repeat(70));
    writeFileSync(`${root}/api/reviews/ready`, "ready");
    return ["nghttpd", "--no-tls", "--address=127.0.0.1", `--htdocs=${root}`, String(port)];
  },
  grpc: (port, { tools }) => [tools.path("grpc-upstream"), String(port)],
};

async function untilListening(name: UpstreamName, port: number, child: Child): Promise<void> {
  const deadline = AbortSignal.timeout(READY_MS);
  while (!(await listens(port))) {
    if (!child.running() || deadline.aborted) {
      throw new Error(`the ${name} upstream does not start:\n${child.output()}`);
    }
    await delay(10);
  }
}
