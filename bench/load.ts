import { rmSync, writeFileSync } from "node:fs";
import type { Rig } from "./rig.ts";
import type { Scenario } from "./scenarios.ts";
import { runTracedLoad } from "./traced-load.ts";

export interface LoadOptions {
  readonly scenario: Scenario;
  readonly port: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Requests a second, whatever the answers do; without it every connection sends as fast as it is answered. */
  readonly rate?: number;
  /** The processes of the proxy: their CPU time is read at both ends of the measured window. */
  readonly pids: readonly number[];
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** What the generator saw in the measured window. */
export interface LoadReport {
  readonly requests: number;
  readonly seconds: number;
  readonly errors: number;
  /** Requests of an open loop that were due and never answered in time. */
  readonly unanswered: number;
  /** Of the proxy. */
  readonly cpuSeconds: number;
  /** Time of the two cores that neither proxy, load generator nor upstream used: disturbance from outside. */
  readonly foreignSeconds: number;
  readonly latencyUs: Latency;
}

export async function runLoad(rig: Rig, options: LoadOptions): Promise<LoadReport> {
  const { scenario, rate, ...rest } = options;
  const { load } = scenario;
  if (load.kind === "load") return runOwnLoad(rig, { ...options, request: load.request });
  if (rate !== undefined) throw new Error(`${load.kind} has no constant rate`);
  return runTracedLoad(rig, { scenario, load, ...rest });
}

async function runOwnLoad(
  rig: Rig,
  options: LoadOptions & { readonly request: string },
): Promise<LoadReport> {
  const { scenario, port, warmupMs, durationMs, rate, pids, request } = options;
  const file = `${rig.folder}/request`;
  writeFileSync(file, request);
  const parts = [
    ["--port", port],
    ["--connections", scenario.connections],
    ["--warmup-ms", warmupMs],
    ["--duration-ms", durationMs],
    ["--request", file],
    ["--pids", [rig.upstream(scenario.upstream).pid, ...pids].join(",")],
    ["--cores", `${rig.proxyCore},${rig.loadCore}`],
    ...(rate === undefined ? [] : [["--rate", rate]]),
  ];
  const command = [rig.tools.path("load"), ...parts.flat().map(String)];
  try {
    return readReport(await rig.children.start(command, { core: rig.loadCore }).finish());
  } finally {
    rmSync(file, { force: true });
  }
}

function readReport(text: string): LoadReport {
  const report: unknown = JSON.parse(text);
  const latency = member(report, "latencyUs");
  const cpu = member(report, "cpuSeconds");
  if (!Array.isArray(cpu)) throw new Error("the load generator's cpuSeconds is not a list");
  const [upstream = 0, ...proxy] = cpu.map(Number);
  const cpuSeconds = proxy.reduce((sum, seconds) => sum + seconds, 0);
  const known = cpuSeconds + upstream + numberAt(report, "generatorCpuSeconds");
  return {
    requests: numberAt(report, "requests"),
    seconds: numberAt(report, "seconds"),
    errors: numberAt(report, "errors"),
    unanswered: numberAt(report, "unanswered"),
    cpuSeconds,
    foreignSeconds: Math.max(0, numberAt(report, "busySeconds") - known),
    latencyUs: {
      p50: numberAt(latency, "p50"),
      p99: numberAt(latency, "p99"),
      p999: numberAt(latency, "p999"),
    },
  };
}

function member(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !(key in value)) {
    throw new Error(`the load generator's report has no ${key}`);
  }
  return Object.entries(value).find(([name]) => name === key)?.[1];
}

function numberAt(value: unknown, key: string): number {
  const number = member(value, key);
  if (typeof number !== "number") throw new Error(`the load generator's ${key} is not a number`);
  return number;
}
