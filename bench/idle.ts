import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "./children.ts";
import { h2loadCommand, h2loadUrl } from "./generators/h2load.ts";
import { readMemory } from "./machine.ts";
import type { Options } from "./options.ts";
import type { Contender, ProxyName } from "./proxies.ts";
import type { Rig } from "./rig.ts";
import { startProxy } from "./running-proxy.ts";
import type { IdleScenario } from "./scenarios.ts";

/** How long a proxy is left alone before its memory is read. */
const SETTLE_MS = 2000;
/** Until every connection is open and has been answered once. */
const OPEN_MS = 60_000;
/** Files of a process that are no connections. */
const OTHER_FILES = 1000;
/** The second request of a connection is due so late that nobody is there to see it. */
const NEVER_MS = 3_600_000;
/** 1,000 connections a second: all at once overflow the listen queue and the limit of requests that wait for an upstream. */
const openingRate = ["--rate=50", "--rate-period=50ms"];

/** Kilobytes of one proxy before its connections were opened and while they rest. */
export interface IdleRun {
  readonly scenario: string;
  readonly proxy: ProxyName;
  readonly connections: number;
  readonly beforeKb: number;
  readonly afterKb: number;
  readonly seconds: number;
}

export interface IdleBench {
  readonly options: Options;
  readonly rig: Rig;
  readonly tell: (line: string) => void;
}

/** One proxy, freshly started, under connections that do nothing. */
export async function measureIdle(
  { rig, tell }: IdleBench,
  proxy: Contender,
  scenario: IdleScenario,
): Promise<IdleRun> {
  const { name, connections } = scenario;
  const files = connections + OTHER_FILES;
  const before = ["prlimit", `--nofile=${files}:${files}`];
  const running = await startProxy(rig, { ...scenario, proxy, before });
  try {
    await delay(SETTLE_MS);
    const beforeKb = readMemory(running.pids).residentKb;
    const begun = performance.now();
    const held = holdConnections(rig, scenario, running.port);
    try {
      await held.open();
      const seconds = (performance.now() - begun) / 1000;
      await delay(SETTLE_MS);
      if (!held.child.running()) throw new Error(`h2load ended:\n${held.child.output()}`);
      const afterKb = readMemory(running.pids).residentKb;
      const run = { scenario: name, proxy: proxy.name, connections, beforeKb, afterKb, seconds };
      tell(
        `  ${proxy.name.padEnd(8)}${kbPerConnection(run).toFixed(1)} KB a connection, opened in ${seconds.toFixed(1)} s`,
      );
      return run;
    } finally {
      await held.child.stop(0);
    }
  } finally {
    await running.stop(0);
  }
}

export function kbPerConnection({ beforeKb, afterKb, connections }: IdleRun): number {
  return (afterKb - beforeKb) / connections;
}

/** h2load asks once on every connection, and then waits for the second request of its script. */
function holdConnections(
  rig: Rig,
  { connections, load }: IdleScenario,
  port: number,
): { readonly child: Child; open(): Promise<void> } {
  const log = `${rig.folder}/requests`;
  const script = `${rig.folder}/script`;
  const url = h2loadUrl(load, port);
  rmSync(log, { force: true });
  writeFileSync(script, `0\t${url}\n${NEVER_MS}\t${url}\n`);
  const more = [
    "--requests=2",
    ...openingRate,
    `--timing-script-file=${script}`,
    `--log-file=${log}`,
  ];
  const files = connections + OTHER_FILES;
  const command = h2loadCommand(load, { port, connections, more }).slice(0, -1);
  const child = rig.children.start(["prlimit", `--nofile=${files}:${files}`, ...command], {
    core: rig.loadCore,
  });
  const open = async (): Promise<void> => {
    const deadline = AbortSignal.timeout(OPEN_MS);
    for (;;) {
      await delay(100);
      const statuses = readStatuses(log);
      if (statuses.length >= connections) {
        const failed = statuses.filter((status) => status !== "200").length;
        if (failed > 0) throw new Error(`${failed} of ${connections} connections failed`);
        return;
      }
      if (!child.running()) throw new Error(`h2load ended:\n${child.output()}`);
      if (deadline.aborted) {
        throw new Error(`${statuses.length} of ${connections} connections after ${OPEN_MS} ms`);
      }
    }
  };
  return { child, open };
}

function readStatuses(log: string): readonly (string | undefined)[] {
  let text: string;
  try {
    text = readFileSync(log, "utf8");
  } catch {
    return []; // h2load has not made it yet.
  }
  const lines = text.split("\n");
  lines.pop(); // Nothing, or half a line.
  return lines.map((line) => line.split("\t")[1]);
}
