import type { ClientSideWeightedRoundRobinJson } from "#gen/envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin_pb.js";
import type { HeaderList } from "#http/headers.ts";
import type { Clock } from "#lib/clock.ts";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { Host, HostLoad } from "../cluster/host.ts";
import { type LoadReport, readLoadReport } from "./load-report.ts";

/** How hosts' own reports become their weights; a round robin goes by those. */
export interface LoadWeighing {
  readonly blackoutMs: number;
  readonly expirationMs: number;
  readonly updateMs: number;
  readonly errorPenalty: number;
  readonly metricNames: readonly string[];
}

export function compileLoadWeighing(config: ClientSideWeightedRoundRobinJson): LoadWeighing {
  if (config.enableOobLoadReport === true)
    throw refuse("enable_oob_load_report", "is not supported by Heddle");
  const ms = (name: string, text: string | undefined, absent: number): number =>
    within(name, () => durationMs(text, absent));
  return {
    blackoutMs: ms("blackout_period", config.blackoutPeriod, 10_000),
    expirationMs: ms("weight_expiration_period", config.weightExpirationPeriod, 180_000),
    updateMs: Math.max(100, ms("weight_update_period", config.weightUpdatePeriod, 1000)),
    // As Envoy, whatever the field's comment says.
    errorPenalty: Number(config.errorUtilizationPenalty ?? 0),
    metricNames: config.metricNamesForComputingUtilization ?? [],
  };
}

/** The weights of a cluster's hosts in one worker, by the reports in the responses that this worker saw. */
export class LoadWeights {
  readonly weighing: LoadWeighing;
  readonly clock: Clock;
  /** Of the report that is being read. */
  readonly scratch: LoadReport = new Map();
  #byPriority: ReadonlyMap<number, readonly Host[]> = new Map();
  #nextMs: number;
  /** Until the first update hosts have their configured weights, as in Envoy. */
  #begun = false;

  private constructor(weighing: LoadWeighing, clock: Clock) {
    this.weighing = weighing;
    this.clock = clock;
    this.#nextMs = clock.monotonicMs() + weighing.updateMs;
  }

  static of(weighing: LoadWeighing | undefined, clock: Clock): LoadWeights | undefined {
    return weighing === undefined ? undefined : new LoadWeights(weighing, clock);
  }

  /** Hosts have come, gone or got new weights. */
  adopt(hosts: readonly Host[]): void {
    for (const host of hosts) host.load ??= new ReportedLoad(this);
    this.#byPriority = Map.groupBy(hosts, ({ priority }) => priority);
    if (this.#begun) this.#update(this.clock.monotonicMs());
    this.#begun = true;
  }

  /** Asked before each pick; at most once in a period it does something. Returns whether a weight is another now. */
  refresh(): boolean {
    const now = this.clock.monotonicMs();
    if (now < this.#nextMs) return false;
    this.#nextMs = now + this.weighing.updateMs;
    return this.#update(now);
  }

  #update(now: number): boolean {
    let changed = false;
    for (const hosts of this.#byPriority.values()) if (this.#weigh(hosts, now)) changed = true;
    return changed;
  }

  /** Hosts of one priority; those that say nothing, too little or nothing lately get the median of the others. */
  #weigh(hosts: readonly Host[], now: number): boolean {
    const weights = hosts.map((host) => this.#reported(host, now));
    const median = medianOf(weights.filter((weight) => weight !== undefined));
    let changed = false;
    for (const [index, host] of hosts.entries()) {
      const weight = Math.max(1, weights[index] ?? median);
      if (weight === host.weight) continue;
      host.weight = weight;
      changed = true;
    }
    return changed;
  }

  #reported({ load }: Host, now: number): number | undefined {
    return load instanceof ReportedLoad ? load.weightAt(now) : undefined;
  }
}

class ReportedLoad implements HostLoad {
  readonly #weights: LoadWeights;
  #weight = 1;
  /** Infinity: not yet, or not since its reports went stale. */
  #firstMs = Infinity;
  #lastMs = -Infinity;

  constructor(weights: LoadWeights) {
    this.#weights = weights;
  }

  report(fields: HeaderList): boolean {
    const { scratch, weighing, clock } = this.#weights;
    if (!readLoadReport(fields, scratch)) return false;
    const weight = weightOf(scratch, weighing);
    if (weight === undefined) return true;
    const now = clock.monotonicMs();
    this.#weight = weight;
    this.#lastMs = now;
    if (this.#firstMs === Infinity) this.#firstMs = now;
    return true;
  }

  weightAt(now: number): number | undefined {
    const { blackoutMs, expirationMs } = this.#weights.weighing;
    if (now - blackoutMs < this.#firstMs) return undefined;
    if (this.#lastMs >= now - expirationMs) return this.#weight;
    this.#firstMs = Infinity;
    return undefined;
  }
}

const weightMax = 2 ** 32 - 1;

/** Requests a second by utilization, with a part of utilization for errors. Undefined: the report does not say enough. */
export function weightOf(
  report: LoadReport,
  {
    errorPenalty,
    metricNames,
  }: { readonly errorPenalty: number; readonly metricNames: readonly string[] },
): number | undefined {
  const requests = report.get("rps_fractional") ?? 0;
  if (!(requests > 0)) return undefined;
  const errors = report.get("eps") ?? 0;
  const utilization = utilizationOf(report, metricNames) + (errorPenalty * errors) / requests;
  if (!(utilization > 0)) return undefined;
  return Math.min(weightMax, Math.trunc(requests / utilization));
}

function utilizationOf(report: LoadReport, metricNames: readonly string[]): number {
  const named = metricNames.reduce((most, name) => Math.max(most, metricOf(report, name)), 0);
  if (named > 0) return named;
  const application = report.get("application_utilization") ?? 0;
  return application > 0 ? application : (report.get("cpu_utilization") ?? 0);
}

const everyMetric = /^(?:named_metrics|request_cost|utilization)\.\*$/;

function metricOf(report: LoadReport, name: string): number {
  if (!everyMetric.test(name)) return report.get(name) ?? 0;
  const prefix = name.slice(0, -1);
  let most = 0;
  for (const [key, value] of report) if (key.startsWith(prefix)) most = Math.max(most, value);
  return most;
}

function medianOf(weights: number[]): number {
  weights.sort((a, b) => a - b);
  const middle = weights.length >> 1;
  const upper = weights[middle] ?? 1;
  return weights.length % 2 === 1
    ? upper
    : Math.trunc(((weights[middle - 1] ?? upper) + upper) / 2);
}
