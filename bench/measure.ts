import { setTimeout as delay } from "node:timers/promises";
import { type IdleRun, measureIdle } from "./idle.ts";
import { type LoadReport, runLoad } from "./load.ts";
import { type Memory, readMemory } from "./machine.ts";
import type { Options } from "./options.ts";
import type { Contender, ProxyName } from "./proxies.ts";
import type { Rig } from "./rig.ts";
import { startProxy } from "./running-proxy.ts";
import type { ConfigKind, Scenario } from "./scenarios.ts";
import { median } from "./statistics.ts";

/** How long a proxy is left alone before its idle memory is read. */
const SETTLE_MS = 700;
/** A run is repeated when others used more than this part of one core while it was measured. */
const DISTURBANCE_MAX = 0.05;

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
  readonly phase: Phase | "idle";
  readonly proxy: ProxyName;
  readonly message: string;
}

export interface Bench {
  readonly options: Options;
  readonly rig: Rig;
  readonly tell: (line: string) => void;
}

export interface Results {
  readonly runs: readonly Run[];
  readonly idleRuns: readonly IdleRun[];
  readonly failures: readonly Failure[];
}

/** Every scenario: rounds over all proxies at saturation, then rounds at half load; idle connections last. */
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
    // Only the benchmark's own generator holds a rate.
    if (!bench.options.halfLoad || !(rate > 0) || scenario.load.kind !== "load") continue;
    await measureRounds(bench, { scenario, phase: "half", rate }, { runs, failures });
  }
  const idleRuns = await measureAllIdle(bench, failures);
  return { runs, idleRuns, failures };
}

/** Once for each proxy: memory, unlike time, is not disturbed by others. */
async function measureAllIdle(bench: Bench, failures: Failure[]): Promise<readonly IdleRun[]> {
  const runs: IdleRun[] = [];
  for (const scenario of bench.options.idleScenarios) {
    bench.tell(`\n${scenario.name}: ${scenario.connections} idle connections, ${scenario.title}`);
    for (const proxy of bench.options.proxies) {
      const { configs, connectionsMax = Number.POSITIVE_INFINITY } = proxy;
      if (configs[scenario.config] === undefined || connectionsMax < scenario.connections) continue;
      try {
        runs.push(await measureIdle(bench, proxy, scenario));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        failures.push({ scenario: scenario.name, phase: "idle", proxy: proxy.name, message });
        bench.tell(`  ${proxy.name} failed: ${message}`);
      }
    }
  }
  return runs;
}

interface PhaseLoad {
  readonly scenario: Scenario;
  readonly phase: Phase;
  readonly rate: number | undefined;
}

/** Proxies take turns within each round, so that a slow minute of the machine hits all of them. */
async function measureRounds(
  bench: Bench,
  load: PhaseLoad,
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
        const run = await measureUndisturbed(bench, proxy, { ...load, round });
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

/** Other work on a shared machine shows as time of the two cores that nobody of the benchmark used. */
async function measureUndisturbed(
  bench: Bench,
  proxy: Contender,
  load: PhaseLoad & { round: number },
): Promise<Run> {
  let best: Run | undefined;
  for (let attempt = 1; attempt <= bench.options.attemptsMax; attempt += 1) {
    const run = await measureOnce(bench, proxy, load);
    if (best === undefined || disturbance(run) < disturbance(best)) best = run;
    const last = attempt === bench.options.attemptsMax;
    if (last || disturbance(run) <= DISTURBANCE_MAX) break;
    bench.tell(`${describe(run)}  disturbed, again`);
  }
  if (best === undefined) throw new Error("unreachable: there is at least one attempt");
  return best;
}

export function disturbance({ report }: Run): number {
  return report.foreignSeconds / report.seconds;
}

async function measureOnce(
  { options, rig }: Bench,
  proxy: Contender,
  { scenario, phase, rate, round }: PhaseLoad & { round: number },
): Promise<Run> {
  const { name, config } = scenario;
  const running = await startProxy(rig, { proxy, config, upstream: scenario.upstream });
  try {
    await delay(SETTLE_MS);
    const idle = readMemory(running.pids);
    const report = await runLoad(rig, {
      scenario,
      port: running.port,
      warmupMs: options.warmupMs,
      durationMs: options.durationMs,
      pids: running.pids,
      ...(rate === undefined ? {} : { rate }),
    });
    const loaded = readMemory(running.pids);
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

function describe(run: Run): string {
  const { phase, round, proxy, report, idle, loaded } = run;
  const { requests, seconds, cpuSeconds, latencyUs, errors, unanswered } = report;
  const parts = [
    `  ${phase} ${round} ${proxy.padEnd(8)}`,
    `${Math.round(requests / seconds)} requests/s`,
    `${Math.round(requests / cpuSeconds)} a CPU second`,
    `core ${Math.round((100 * cpuSeconds) / seconds)} %`,
    `p50 ${latencyUs.p50} p99 ${latencyUs.p99} p99.9 ${latencyUs.p999} µs`,
    `idle ${Math.round(idle.residentKb / 1024)} MB, loaded ${Math.round(loaded.residentKb / 1024)} MB`,
  ];
  parts.push(`others ${Math.round(100 * disturbance(run))} %`);
  if (errors > 0) parts.push(`${errors} errors`);
  if (unanswered > 0) parts.push(`${unanswered} unanswered`);
  return parts.join("  ");
}
