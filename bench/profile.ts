/**
 * `node bench/profile.ts [--scenario get70] [--seconds 5] [--top 40] [--keep FOLDER]`: where Heddle spends its time and
 * memory. One run with the CPU profiler, then one without it that counts what is allocated for a request.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { allocationOf, readCollections } from "./allocation.ts";
import { readProfile, selfTimes } from "./cpu-profile.ts";
import { type LoadReport, runLoad } from "./load.ts";
import { type Contender, proxies } from "./proxies.ts";
import { destroyWhenInterrupted, type Rig, startRig } from "./rig.ts";
import { type RunningProxy, startProxy } from "./running-proxy.ts";
import { type Scenario, scenarios } from "./scenarios.ts";
import { prepareTools } from "./setup.ts";

const WARMUP_MS = 3000;
/** The profile is written while the process ends, after its drain. */
const EXIT_MS = 15_000;

interface Session {
  readonly scenario: Scenario;
  readonly heddle: Contender;
  readonly durationMs: number;
  readonly rig: Rig;
}

const tell = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      scenario: { type: "string", default: "get70" },
      seconds: { type: "string", default: "5" },
      top: { type: "string", default: "40" },
      keep: { type: "string" },
    },
  });
  const scenario = scenarios.find(({ name }) => name === values.scenario);
  const heddle = proxies.find(({ name }) => name === "heddle");
  if (scenario === undefined || heddle === undefined) {
    throw new Error(`--scenario is one of ${scenarios.map(({ name }) => name).join(" ")}`);
  }
  const rig = await startRig(
    prepareTools({
      proxies: new Set(["heddle"]),
      loads: new Set([scenario.load.kind]),
      upstreams: new Set([scenario.upstream]),
    }),
    { proxyCore: 1, loadCore: 0, upstreams: new Set([scenario.upstream]) },
  );
  destroyWhenInterrupted(rig);
  try {
    const session = { scenario, heddle, durationMs: 1000 * Number(values.seconds), rig };
    const profiles = values.keep ?? `${rig.folder}/profiles`;
    mkdirSync(profiles, { recursive: true });
    tell(await profileCpu(session, { profiles, top: Number(values.top) }));
    tell(await countAllocation(session));
  } finally {
    await rig.destroy();
  }
}

async function profileCpu(
  session: Session,
  { profiles, top }: { profiles: string; top: number },
): Promise<string> {
  const running = await start(
    session,
    `--cpu-prof --cpu-prof-interval 200 --cpu-prof-dir=${profiles}`,
  );
  let report: LoadReport;
  try {
    report = await load(session, running, { warmupMs: WARMUP_MS, durationMs: session.durationMs });
  } finally {
    await running.stop(EXIT_MS);
  }
  const files = readdirSync(profiles).filter((name) => name.endsWith(".cpuprofile"));
  if (files.length === 0) throw new Error(`no profile was written:\n${running.child.output()}`);
  const tables = files.map((name) =>
    selfTimes(readProfile(readFileSync(`${profiles}/${name}`, "utf8")), top),
  );
  return [`${session.scenario.name} with the profiler: ${describe(report)}`, ...tables].join(
    "\n\n",
  );
}

async function countAllocation(session: Session): Promise<string> {
  const preload = fileURLToPath(new URL("trace-gc.mjs", import.meta.url));
  const running = await start(session, `--import=${preload}`);
  try {
    await load(session, running, { warmupMs: 0, durationMs: WARMUP_MS });
    const before = readCollections(running.child.output()).length;
    const report = await load(session, running, { warmupMs: 0, durationMs: session.durationMs });
    // The last collection of the warm-up says how full the heap was when the measured load began.
    const collections = readCollections(running.child.output()).slice(Math.max(0, before - 1));
    const { bytesPerSecond, collectionsPerSecond, pauseMsMean, pauseMsMax } =
      allocationOf(collections);
    const perRequest = bytesPerSecond / (report.requests / report.seconds);
    return [
      `${session.scenario.name}: ${describe(report)}`,
      `allocated for a request: ${Math.round(perRequest)} bytes`,
      `collections: ${collectionsPerSecond.toFixed(1)} a second, ${pauseMsMean.toFixed(2)} ms in the mean, ${pauseMsMax.toFixed(2)} ms at most`,
    ].join("\n");
  } finally {
    await running.stop();
  }
}

function start({ rig, heddle, scenario }: Session, nodeOptions: string): Promise<RunningProxy> {
  const before = ["env", `NODE_OPTIONS=${nodeOptions}`];
  return startProxy(rig, { ...scenario, proxy: heddle, before });
}

function load(
  { rig, scenario }: Session,
  { port, pids }: RunningProxy,
  times: { warmupMs: number; durationMs: number },
): Promise<LoadReport> {
  return runLoad(rig, { scenario, port, pids, ...times });
}

function describe({ requests, seconds, cpuSeconds, latencyUs }: LoadReport): string {
  const rate = Math.round(requests / seconds);
  return `${rate} requests/s, ${Math.round(requests / cpuSeconds)} a CPU second, p99 ${latencyUs.p99} µs`;
}
