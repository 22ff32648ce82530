import type { HostSet } from "../balancer/balancer.ts";

/** A priority's share of requests in whole percent, for its healthy and its degraded hosts. */
export interface PriorityLoad {
  readonly healthy: number;
  readonly degraded: number;
  /** Too few hosts are healthy to be believed: all of them get requests. */
  readonly panic: boolean;
}

/**
 * Envoy's rule: a priority is as available as its healthy share times the over-provisioning factor, and takes what the ones
 * before it leave; degraded hosts take what no healthy host can. When all together do not make 100 %, shares are scaled
 * up. In whole percent, as Envoy counts, and what rounding leaves goes to the first that has anything.
 */
export function priorityLoads(
  sets: readonly HostSet[],
  options: { readonly overprovisioning: number; readonly panicThreshold: number },
): PriorityLoad[] {
  const availability = (part: number, all: number): number =>
    all === 0 ? 0 : Math.min(100, Math.floor((options.overprovisioning * part) / all));
  const healthy = sets.map((set) => availability(set.healthy.length, counted(set)));
  const degraded = sets.map((set) => availability(set.degraded.length, counted(set)));
  const total = Math.min(100, sum(healthy) + sum(degraded));
  const panics = sets.map((set) => total < 100 && inPanic(set, options.panicThreshold));
  const loads = total === 0 ? sharedByNumber(sets) : shared({ healthy, degraded, total });
  return sets.map((_, index) => ({
    healthy: loads.healthy[index] ?? 0,
    degraded: loads.degraded[index] ?? 0,
    panic: panics[index] ?? false,
  }));
}

/** Those that could be healthy. */
function counted(set: HostSet): number {
  return set.hosts.length - set.excluded;
}

function inPanic(set: HostSet, threshold: number): boolean {
  const all = counted(set);
  if (all === 0) return threshold > 0;
  const usable = set.healthy.length + set.degraded.length;
  return (100 * usable) / all < threshold;
}

interface Shares {
  readonly healthy: number[];
  readonly degraded: number[];
}

function shared(available: {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  readonly total: number;
}): Shares {
  let left = 100;
  const take = (availability: number): number => {
    const taken = Math.min(left, Math.floor((availability * 100) / available.total));
    left -= taken;
    return taken;
  };
  const healthy = available.healthy.map(take);
  const degraded = available.degraded.map(take);
  const list = available.healthy.some((value) => value > 0) ? healthy : degraded;
  const first = list.findIndex((value) => value > 0);
  if (first >= 0) list[first] = (list[first] ?? 0) + left;
  return { healthy, degraded };
}

/** Nobody is healthy: the hosts of all priorities share by their number. */
function sharedByNumber(sets: readonly HostSet[]): Shares {
  const all = sum(sets.map((set) => set.hosts.length));
  const healthy = sets.map((set) => (all === 0 ? 0 : Math.floor((100 * set.hosts.length) / all)));
  const first = sets.findIndex((set) => set.hosts.length > 0);
  const heir = Math.max(0, first);
  if (sets.length > 0) healthy[heir] = (healthy[heir] ?? 0) + 100 - sum(healthy);
  return { healthy, degraded: sets.map(() => 0) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
