import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type GeneratorOptions, makeGenerator } from "./generators/generators.ts";
import { summarizeTrace } from "./generators/trace.ts";
import type { LoadReport } from "./load.ts";
import { busySeconds, cpuSeconds, processTree } from "./machine.ts";
import type { Rig } from "./rig.ts";

/** The generator goes on for so long after the window: how soon it starts is not known. */
const TAIL_MS = 700;
const PATIENCE_MS = 30_000;

export interface TracedLoadOptions extends Omit<GeneratorOptions, "durationMs"> {
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly pids: readonly number[];
}

/**
 * Load by a generator that writes down when every request ended. CPU times are read here at two moments, and the
 * requests that ended between the same two moments are counted: no scheduling delay of a reader falsifies the quotient.
 */
export async function runTracedLoad(rig: Rig, options: TracedLoadOptions): Promise<LoadReport> {
  const { scenario, load, port, warmupMs, durationMs, pids } = options;
  const generator = makeGenerator(rig, {
    scenario,
    load,
    port,
    durationMs: warmupMs + durationMs + TAIL_MS,
  });
  const child = rig.children.start(generator.command, { core: rig.loadCore });
  const sample = (): Sample => takeSample(rig, { proxy: pids, generator: child.pid, scenario });
  try {
    await delay(warmupMs);
    const before = sample();
    await delay(durationMs);
    const after = sample();
    if (!child.running()) throw new Error(`the generator ended too early:\n${child.output()}`);
    await Promise.race([child.finish(), delay(PATIENCE_MS, undefined, { ref: false })]);
    const window = { beginUs: before.atUs, endUs: after.atUs };
    const cpu = after.proxyCpu - before.proxyCpu;
    const known = cpu + after.otherCpu - before.otherCpu;
    return {
      ...summarizeTrace(generator.readTrace(child.output()), window),
      seconds: (after.atUs - before.atUs) / 1e6,
      unanswered: 0,
      cpuSeconds: cpu,
      foreignSeconds: Math.max(0, after.busy - before.busy - known),
    };
  } finally {
    await child.stop();
    rmSync(`${rig.folder}/requests`, { force: true });
  }
}

interface Sample {
  readonly atUs: number;
  readonly proxyCpu: number;
  /** Of generator and upstream. */
  readonly otherCpu: number;
  readonly busy: number;
}

function takeSample(
  rig: Rig,
  {
    proxy,
    generator,
    scenario,
  }: Pick<GeneratorOptions, "scenario"> & { proxy: readonly number[]; generator: number },
): Sample {
  const others = [...processTree(generator), rig.upstream(scenario.upstream).pid];
  return {
    atUs: (performance.timeOrigin + performance.now()) * 1000,
    proxyCpu: cpuSeconds(proxy),
    otherCpu: cpuSeconds(others),
    busy: busySeconds([rig.proxyCore, rig.loadCore]),
  };
}
