import { existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Child, Children } from "./children.ts";
import { type LoadReport, runLoad } from "./load.ts";
import { type Memory, readMemory } from "./machine.ts";
import type { Options } from "./options.ts";
import type { Contender, ProxyName } from "./proxies.ts";
import { startProxy } from "./running-proxy.ts";
import type { ConfigKind, Scenario } from "./scenarios.ts";
import type { Tools } from "./setup.ts";
import { median } from "./statistics.ts";

/** How long a proxy is left alone before its idle memory is read. */
const SETTLE_MS = 700;
const UPSTREAM_READY_MS = 5000;

/** `saturation`: closed loop, as fast as it goes. `half`: open loop at half of what Envoy reached. */
export type Phase = "saturation" | "half";

/** One proxy, freshly started, under one load. */
export interface Run {
  readonly scenario: string;
  readonly config: ConfigKind;
  readonly phase: Phase;
  readonly proxy: ProxyName;
  readonly round: number;
  readonly rate: number | undefined;
  readonly report: LoadReport;
  readonly idle: Memory;
  readonly loaded: Memory;
}

export interface Failure {
  readonly scenario: string;
  readonly phase: Phase;
  readonly proxy: ProxyName;
  readonly message: string;
}

export interface Bench {
  readonly options: Options;
  readonly tools: Tools;
  readonly children: Children;
  /** For configurations, logs and requests; the caller removes it. */
  readonly folder: string;
  readonly upstreamPort: number;
  readonly tell: (line: string) => void;
}

export interface Results {
  readonly runs: readonly Run[];
  readonly failures: readonly Failure[];
}

export async function startUpstream(
  tools: Tools,
  options: { children: Children; core: number; folder: string },
): Promise<number> {
  const file = `${options.folder}/upstream-port`;
  const child = options.children.start([tools.upstream, file], { core: options.core });
  return readPort(child, file);
}

/** Every scenario: rounds over all proxies at saturation, then rounds at half load. */
export async function measureAll(bench: Bench): Promise<Results> {
  const runs: Run[] = [];
  const failures: Failure[] = [];
  for (const scenario of bench.options.scenarios) {
    bench.tell(`\n${scenario.name}: ${scenario.title}`);
    await measureRounds(
      bench,
      { scenario, phase: "saturation", rate: undefined },
      { runs, failures },
    );
    const rate = bench.options.rate ?? halfRate(runs, scenario);
    if (!bench.options.halfLoad || !(rate > 0)) continue;
    await measureRounds(bench, { scenario, phase: "half", rate }, { runs, failures });
  }
  return { runs, failures };
}

interface Load {
  readonly scenario: Scenario;
  readonly phase: Phase;
  readonly rate: number | undefined;
}

/** Proxies take turns within each round, so that a slow minute of the machine hits all of them. */
async function measureRounds(
  bench: Bench,
  load: Load,
  found: { runs: Run[]; failures: Failure[] },
): Promise<void> {
  const proxies = bench.options.proxies.filter(
    (proxy) => proxy.configs[load.scenario.config] !== undefined,
  );
  const failed = new Set<Contender>();
  for (let round = 1; round <= bench.options.rounds; round += 1) {
    for (const proxy of proxies) {
      if (failed.has(proxy)) continue;
      try {
        const run = await measureOnce(bench, proxy, { ...load, round });
        found.runs.push(run);
        bench.tell(describe(run));
      } catch (error) {
        failed.add(proxy);
        const message = error instanceof Error ? error.message : String(error);
        found.failures.push({
          scenario: load.scenario.name,
          phase: load.phase,
          proxy: proxy.name,
          message,
        });
        bench.tell(`  ${proxy.name} failed: ${message}`);
      }
    }
  }
}

async function measureOnce(
  bench: Bench,
  proxy: Contender,
  load: Load & { round: number },
): Promise<Run> {
  const { options, children, folder, upstreamPort } = bench;
  const { scenario, phase, rate, round } = load;
  const running = await startProxy({
    proxy,
    config: scenario.config,
    children,
    core: options.proxyCore,
    upstreamPort,
    folder,
  });
  try {
    await delay(SETTLE_MS);
    const idle = readMemory(running.pids);
    const report = await runLoad(
      { binary: bench.tools.load, children, core: options.loadCore, folder },
      {
        scenario,
        port: running.port,
        warmupMs: options.warmupMs,
        durationMs: options.durationMs,
        pids: running.pids,
        ...(rate === undefined ? {} : { rate }),
      },
    );
    const loaded = readMemory(running.pids);
    const { name, config } = scenario;
    return { scenario: name, config, phase, proxy: proxy.name, round, rate, report, idle, loaded };
  } finally {
    await running.stop();
  }
}

/** Half of what Envoy reached; of the first proxy's where Envoy does not take part. */
function halfRate(runs: readonly Run[], { name }: Scenario): number {
  const saturated = runs.filter((run) => run.scenario === name && run.phase === "saturation");
  const reference = saturated.some((run) => run.proxy === "envoy") ? "envoy" : saturated[0]?.proxy;
  const rates = saturated
    .filter((run) => run.proxy === reference)
    .map(({ report }) => report.requests / report.seconds);
  return Math.floor(median(rates) / 2);
}

function describe({ phase, round, proxy, report, idle, loaded }: Run): string {
  const { requests, seconds, cpuSeconds, latencyUs, errors, unanswered } = report;
  const parts = [
    `  ${phase} ${round} ${proxy.padEnd(8)}`,
    `${Math.round(requests / seconds)} requests/s`,
    `${Math.round(requests / cpuSeconds)} a CPU second`,
    `core ${Math.round((100 * cpuSeconds) / seconds)} %`,
    `p50 ${latencyUs.p50} p99 ${latencyUs.p99} p99.9 ${latencyUs.p999} µs`,
    `idle ${Math.round(idle.residentKb / 1024)} MB, loaded ${Math.round(loaded.residentKb / 1024)} MB`,
  ];
  if (errors > 0) parts.push(`${errors} errors`);
  if (unanswered > 0) parts.push(`${unanswered} unanswered`);
  return parts.join("  ");
}

async function readPort(child: Child, file: string): Promise<number> {
  const deadline = AbortSignal.timeout(UPSTREAM_READY_MS);
  for (;;) {
    const port = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    if (port > 0) return port;
    if (!child.running() || deadline.aborted)
      throw new Error(`the upstream does not start:\n${child.output()}`);
    await delay(10);
  }
}
