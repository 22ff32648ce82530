import type { Random } from "#lib/random.ts";
import type { Runtime } from "../runtime.ts";

/** When hosts are checked, in milliseconds. */
export interface Schedule {
  readonly intervalMs: number;
  readonly unhealthyIntervalMs: number;
  /** Until enough checks have failed in a row. */
  readonly unhealthyEdgeIntervalMs: number;
  /** Until enough checks have passed in a row. */
  readonly healthyEdgeIntervalMs: number;
  /** While nobody has used the cluster. */
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly initialJitterMs: number;
  readonly jitterMs: number;
  readonly jitterPercent: number;
}

/** What is known when a check is over. */
export interface CheckEnd {
  readonly passed: boolean;
  /** The host is not yet what its last check says: more of them must say so. */
  readonly pending: boolean;
  /** The cluster has been used. */
  readonly traffic: boolean;
}

interface Chance {
  readonly random: Random;
  readonly runtime: Runtime;
}

/** How long to wait for the next check. */
export function nextCheckMs(schedule: Schedule, end: CheckEnd, chance: Chance): number {
  return withJitter(
    schedule,
    { baseMs: baseMs(schedule, end), jitterMs: schedule.jitterMs },
    chance,
  );
}

/** How long to wait for the first one; undefined: not at all. */
export function firstCheckMs(schedule: Schedule, chance: Chance): number | undefined {
  const jitterMs = schedule.initialJitterMs;
  return jitterMs === 0 ? undefined : withJitter(schedule, { baseMs: 0, jitterMs }, chance);
}

function baseMs(schedule: Schedule, { passed, pending, traffic }: CheckEnd): number {
  if (!traffic)
    return passed && !pending ? schedule.noTrafficHealthyIntervalMs : schedule.noTrafficIntervalMs;
  if (passed) return pending ? schedule.healthyEdgeIntervalMs : schedule.intervalMs;
  return pending ? schedule.unhealthyEdgeIntervalMs : schedule.unhealthyIntervalMs;
}

function withJitter(
  { jitterPercent }: Schedule,
  time: { readonly baseMs: number; readonly jitterMs: number },
  { random, runtime }: Chance,
): number {
  const share = Math.floor((jitterPercent * time.baseMs) / 100);
  let ms = time.baseMs;
  if (share > 0) ms += random.below(share);
  if (time.jitterMs > 0) ms += random.below(time.jitterMs);
  const minMs = runtime.number("health_check.min_interval", 0);
  const maxMs = runtime.number("health_check.max_interval", Number.MAX_SAFE_INTEGER);
  return Math.max(1, minMs, Math.min(ms, maxMs));
}
