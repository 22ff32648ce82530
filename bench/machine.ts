import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/** Kilobytes, summed over the processes of one proxy. */
export interface Memory {
  readonly residentKb: number;
  /** Without the pages of program files, which all instances on a machine share. */
  readonly anonymousKb: number;
  /** The highest `residentKb` so far. */
  readonly peakKb: number;
}

export function readMemory(pids: readonly number[]): Memory {
  const statuses = pids.map((pid) => readFileSync(`/proc/${pid}/status`, "utf8"));
  const sum = (field: string): number =>
    statuses.reduce(
      (total, status) => total + Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]),
      0,
    );
  return { residentKb: sum("VmRSS"), anonymousKb: sum("RssAnon"), peakKb: sum("VmHWM") };
}

/** A process and all its descendants. */
export function processTree(root: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = readParent(pid);
    if (parent !== undefined) parents.set(pid, parent);
  }
  const tree = [root];
  // The list grows while it is walked: breadth first.
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  }
  return tree;
}

function readParent(pid: number): number | undefined {
  try {
    // The name in parentheses may hold spaces; the parent is the second field after it.
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined; // It ended since the folder was read.
  }
}

/** A tick of `/proc`, the same on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;

/** User and kernel time of processes with all their threads. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [user, kernel] = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13);
    return sum + (Number(user) + Number(kernel)) / TICKS_A_SECOND;
  }, 0);
}

/** Time of cores that were neither idle nor waiting for a disk. */
export function busySeconds(cores: readonly number[]): number {
  const text = readFileSync("/proc/stat", "utf8");
  return cores.reduce((sum, core) => {
    const fields = new RegExp(`^cpu${core} (.*)$`, "m").exec(text)?.[1]?.split(" ").map(Number);
    if (fields === undefined) throw new Error(`/proc/stat has no core ${core}`);
    const [user = 0, nice = 0, kernel = 0, , , interrupts = 0, soft = 0, stolen = 0] = fields;
    return sum + (user + nice + kernel + interrupts + soft + stolen) / TICKS_A_SECOND;
  }, 0);
}

/** For the report: what was measured on, without names that say whose machine it is. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const memoryGb = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} cores (${model}), ${memoryGb} GB, Linux ${release().split("-")[0]}`;
}
