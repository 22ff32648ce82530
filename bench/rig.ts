import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { type Child, Children } from "./children.ts";
import type { Tools } from "./setup.ts";

const UPSTREAM_READY_MS = 5000;

/** What every measurement needs: the tools, the upstream behind the proxies, and who sits on which core. */
export interface Rig {
  readonly tools: Tools;
  readonly children: Children;
  readonly proxyCore: number;
  /** Load generator and upstream. */
  readonly loadCore: number;
  /** For configurations, logs and requests. */
  readonly folder: string;
  readonly upstream: { readonly port: number; readonly pid: number };
  /** Ends every process that is left and removes the folder. */
  destroy(): Promise<void>;
}

export async function startRig(
  tools: Tools,
  cores: { readonly proxyCore: number; readonly loadCore: number },
): Promise<Rig> {
  const folder = mkdtempSync(`${tmpdir()}/heddle-bench-`);
  const children = new Children();
  const destroy = async (): Promise<void> => {
    await children.stopAll();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const file = `${folder}/upstream-port`;
    const child = children.start([tools.upstream, file], { core: cores.loadCore });
    const upstream = { port: await readPort(child, file), pid: child.pid };
    const { proxyCore, loadCore } = cores;
    return { tools, children, proxyCore, loadCore, folder, upstream, destroy };
  } catch (error) {
    await destroy();
    throw error;
  }
}

/** For a program that is nothing but this rig: a signal, or a reader of its output that left, ends it cleanly. */
export function destroyWhenInterrupted(rig: Rig): void {
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    void rig.destroy().then(() => process.exit(130));
  };
  process.on("SIGINT", end).on("SIGTERM", end);
  process.stdout.on("error", end);
}

async function readPort(child: Child, file: string): Promise<number> {
  const deadline = AbortSignal.timeout(UPSTREAM_READY_MS);
  for (;;) {
    const port = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    if (port > 0) return port;
    if (!child.running() || deadline.aborted) {
      throw new Error(`the upstream does not start:\n${child.output()}`);
    }
    await delay(10);
  }
}
