/** What a running proxy holds: memory, file descriptors, gauges, and each thread's heap after a collection. */
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { ProxyProcess } from "../../parity/harness/proxy-process.ts";

export type Counts = Readonly<Record<string, number>>;

export interface Sample {
  readonly rss: number;
  /** The main thread's, by /memory: with garbage. */
  readonly heap: number;
  /** File descriptors by what they are: `socket`, a file's path … */
  readonly descriptors: Counts;
  readonly gauges: Counts;
}

/** After a collection, thread by thread. */
export interface ThreadHeap {
  readonly heapUsed: number;
  readonly external: number;
  /** Timers that exist, armed or not. */
  readonly timers: number;
  /** Node's own words for what keeps its event loop alive. */
  readonly resources: Counts;
}

export async function takeSample(proxy: ProxyProcess): Promise<Sample> {
  const memory = JSON.parse((await proxy.admin("/memory")).body) as { allocated: string };
  const status = readFileSync(`/proc/${proxy.child.pid}/status`, "utf8");
  return {
    rss: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024,
    heap: Number(memory.allocated),
    descriptors: descriptorsOf(proxy),
    gauges: await statsOf(proxy, "Gauges"),
  };
}

/** A connection of the admin page may still be closing: who compares looks again. */
function descriptorsOf(proxy: ProxyProcess): Counts {
  const folder = `/proc/${proxy.child.pid}/fd`;
  const counts: Record<string, number> = {};
  for (const descriptor of readdirSync(folder)) {
    try {
      const kind = readlinkSync(`${folder}/${descriptor}`).replace(/:\[\d+\]$/, "");
      counts[kind] = (counts[kind] ?? 0) + 1;
    } catch {
      // Closed since the folder was read.
    }
  }
  return counts;
}

export async function statsOf(proxy: ProxyProcess, type: "Gauges" | "Counters"): Promise<Counts> {
  const { body } = await proxy.admin(`/stats?format=json&type=${type}`);
  const { stats } = JSON.parse(body) as { stats: { name?: string; value?: unknown }[] };
  return Object.fromEntries(
    stats.flatMap(({ name, value }) =>
      name !== undefined && typeof value === "number" ? [[name, value]] : [],
    ),
  );
}

/** Children that read the configuration for it and end when they have. */
export function hasChildren(proxy: ProxyProcess): boolean {
  const folder = `/proc/${proxy.child.pid}/task`;
  return readdirSync(folder).some(
    (thread) => readFileSync(`${folder}/${thread}/children`, "utf8") !== "",
  );
}

export async function collectHeaps(
  proxy: ProxyProcess,
  { folder, threads }: { folder: string; threads: number },
): Promise<readonly ThreadHeap[]> {
  const files = (): string[] => readdirSync(folder).filter((name) => /^heap-\d+\.json$/.test(name));
  for (const name of files()) rmSync(`${folder}/${name}`);
  proxy.child.kill("SIGUSR2");
  while (files().length < threads) {
    if (!proxy.running) throw new Error(`the proxy has ended:\n${proxy.output}`);
    await delay(20);
  }
  return files()
    .sort()
    .map((name) => JSON.parse(readFileSync(`${folder}/${name}`, "utf8")) as ThreadHeap);
}

/** What all threads keep. */
export function keptBytes(heaps: readonly ThreadHeap[]): number {
  return heaps.reduce((sum, { heapUsed, external }) => sum + heapUsed + external, 0);
}

/** "name: 1, not 0" for each that differs. */
export function differences(now: Counts, then: Counts): readonly string[] {
  return [...new Set([...Object.keys(now), ...Object.keys(then)])]
    .filter((name) => (now[name] ?? 0) !== (then[name] ?? 0))
    .map((name) => `${name}: ${now[name] ?? 0}, not ${then[name] ?? 0}`);
}
