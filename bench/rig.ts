import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Certificate, makeCertificate } from "./certificate.ts";
import { Children } from "./children.ts";
import type { UpstreamName } from "./scenarios.ts";
import type { Tools } from "./setup.ts";
import { startUpstream, type Upstream } from "./upstreams.ts";

/** What every measurement needs: the tools, the upstreams behind the proxies, and who sits on which core. */
export interface Rig {
  readonly tools: Tools;
  readonly children: Children;
  readonly proxyCore: number;
  /** Load generator and upstreams. */
  readonly loadCore: number;
  /** For configurations, logs and requests. */
  readonly folder: string;
  upstream(name: UpstreamName): Upstream;
  /** What the proxies show where they terminate TLS. */
  readonly certificate: Certificate;
  /** Ends every process that is left and removes the folder. */
  destroy(): Promise<void>;
}

export interface RigOptions {
  readonly proxyCore: number;
  readonly loadCore: number;
  /** Those that take part; each waits asleep while it is not asked. */
  readonly upstreams: ReadonlySet<UpstreamName>;
}

export async function startRig(tools: Tools, options: RigOptions): Promise<Rig> {
  const { proxyCore, loadCore } = options;
  const folder = mkdtempSync(`${tmpdir()}/heddle-bench-`);
  const children = new Children();
  const destroy = async (): Promise<void> => {
    await children.stopAll();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const upstreams = new Map<UpstreamName, Upstream>();
    for (const name of options.upstreams) {
      upstreams.set(name, await startUpstream(name, { children, tools, core: loadCore, folder }));
    }
    const upstream = (name: UpstreamName): Upstream => {
      const found = upstreams.get(name);
      if (found === undefined) throw new Error(`the ${name} upstream is not part of this run`);
      return found;
    };
    const certificate = makeCertificate(folder);
    return { tools, children, proxyCore, loadCore, folder, upstream, certificate, destroy };
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
