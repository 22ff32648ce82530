import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { type ClusterMembers, type EndpointSpec, membersMax } from "../cluster/host.ts";
import type { Runtime } from "../runtime.ts";
import type { ConsecutiveKind, EjectionType, OutlierSettings, Setting } from "./config.ts";
import type { DetectorStats } from "./detector-stats.ts";
import type { OutlierEventLog } from "./event-log.ts";
import type { HostState } from "./report.ts";
import { Cell, type OutlierSlots, type SlotMemory } from "./slots.ts";
import type { SpellTimes } from "./spell.ts";
import {
  type HostRate,
  noThreshold,
  type SuccessRateThreshold,
  successRateThreshold,
} from "./success-rates.ts";
import { endpointIdentity, endpointKey, type Origin, WatchedHost } from "./watched-host.ts";

export interface DetectorContext {
  readonly cluster: string;
  readonly settings: OutlierSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: DetectorStats;
  readonly memory: SlotMemory;
  /** Undefined: nobody wants a log. */
  readonly log: OutlierEventLog | undefined;
  /** All workers are to follow. */
  readonly onVerdict: (host: string, state: HostState, on: boolean) => void;
}

const typeOf: Readonly<Record<ConsecutiveKind, EjectionType>> = {
  consecutive5xx: "CONSECUTIVE_5XX",
  consecutiveGatewayFailure: "CONSECUTIVE_GATEWAY_FAILURE",
  consecutiveLocalOriginFailure: "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
};

/**
 * Outlier detection of one cluster, in the main thread: it decides alone for all workers, so that an ejection holds in all of them and
 * the limit on ejected hosts is one. Workers report failures in a row; rates are looked at when an interval ends, and then ejected hosts
 * come back.
 */
export class OutlierDetector {
  readonly #context: DetectorContext;
  readonly #hosts: Map<string, WatchedHost> = new Map();
  readonly #thresholds: Record<Origin, SuccessRateThreshold> = {
    external: noThreshold,
    local: noThreshold,
  };
  /** Hosts that are ejected now. */
  #active = 0;
  #timer: { cancel(): void } | undefined;

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  start(): void {
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  threshold(origin: Origin): SuccessRateThreshold {
    return this.#thresholds[origin];
  }

  host(key: string): WatchedHost | undefined {
    return this.#hosts.get(key);
  }

  /** A new membership; what the workers need to count. */
  update({ endpoints }: ClusterMembers): OutlierSlots {
    const { memory } = this.#context;
    const next = new Map<string, EndpointSpec>();
    for (const endpoint of endpoints.slice(0, membersMax)) {
      const key = endpointKey(endpoint);
      if (!next.has(key)) next.set(key, endpoint);
    }
    for (const [key, host] of this.#hosts) {
      const endpoint = next.get(key);
      if (endpoint === undefined || endpointIdentity(endpoint) !== host.identity)
        this.#remove(host);
    }
    for (const [key, endpoint] of next) {
      if (this.#hosts.has(key)) continue;
      const slot = memory.take();
      this.#hosts.set(key, new WatchedHost(endpoint, slot, memory.cells(slot)));
    }
    const slots: Record<string, number> = {};
    for (const [key, host] of this.#hosts) slots[key] = host.slot;
    return { chunks: memory.chunks, slots };
  }

  #remove(host: WatchedHost): void {
    this.#hosts.delete(host.key);
    this.#context.memory.give(host.slot);
    if (host.ejected) this.#countActive(-1);
  }

  #countActive(change: number): void {
    this.#active += change;
    this.#context.stats.active.set(this.#active);
  }

  /** From a worker; the host may have left meanwhile, or been ejected for another reason. */
  onConsecutive(key: string, kind: ConsecutiveKind): void {
    const host = this.#hosts.get(key);
    if (host === undefined || host.ejected) return;
    const type = typeOf[kind];
    this.#context.stats.detected[type].inc();
    this.#eject(host, type, noThreshold);
    if (kind === "consecutive5xx") this.#context.stats.consecutive5xx.inc();
    // Also when it was not ejected: so many failures more are another finding.
    host.resetConsecutive(Cell[kind]);
  }

  /** From a worker: the host said x-envoy-degraded. It is not ejected, but others are used before it. */
  onDegraded(key: string): void {
    const host = this.#hosts.get(key);
    if (host === undefined || host.degradation.active) return;
    const { stats, clock, log, cluster } = this.#context;
    stats.detectedDegradation.inc();
    host.degradation.begin(clock.monotonicMs(), this.#times, this.#jitterMs());
    this.#context.onVerdict(key, "degraded", true);
    log?.eject(cluster, host, { type: "DEGRADED", enforced: true, threshold: noThreshold });
  }

  get #times(): SpellTimes {
    const { settings } = this.#context;
    return {
      baseMs: this.#number(settings.baseEjectionTime),
      maxMs: this.#number(settings.maxEjectionTime),
    };
  }

  /** So that hosts do not all come back at the same time. */
  #jitterMs(): number {
    const { settings, random } = this.#context;
    return random.below(this.#number(settings.maxEjectionTimeJitter) + 1);
  }

  /** An active health check found the host well: it need not wait for the end of its time. */
  onHealthCheckPassed(key: string): void {
    const host = this.#hosts.get(key);
    if (host?.ejected === true && this.#context.settings.unejectedByHealthCheck)
      this.#uneject(host);
  }

  #number({ runtimeKey, threshold }: Setting): number {
    return this.#context.runtime.number(runtimeKey, threshold);
  }

  #eject(host: WatchedHost, type: EjectionType, threshold: SuccessRateThreshold): void {
    const { stats, settings, log, cluster } = this.#context;
    if (!this.#mayEject()) {
      stats.overflow.inc();
      return;
    }
    if (type === "CONSECUTIVE_5XX" || type === "SUCCESS_RATE") stats.total.inc();
    const enforced = this.#enforces(settings.enforcing[type]);
    if (enforced) {
      stats.enforcedTotal.inc();
      stats.enforced[type].inc();
      this.#takeOut(host);
    }
    log?.eject(cluster, host, { type, enforced, threshold });
  }

  #mayEject(): boolean {
    const { settings } = this.#context;
    if (settings.alwaysEjectOneHost && this.#active === 0) return true;
    const percentMax = Math.min(100, this.#number(settings.maxEjectionPercent));
    return (100 * (this.#active + 1)) / this.#hosts.size <= percentMax;
  }

  #enforces({ runtimeKey, threshold }: Setting): boolean {
    const { runtime, random } = this.#context;
    return runtime.featureEnabled(runtimeKey, threshold, 100, random.unit());
  }

  #takeOut(host: WatchedHost): void {
    this.#countActive(1);
    host.ejection.begin(this.#context.clock.monotonicMs(), this.#times, this.#jitterMs());
    this.#context.onVerdict(host.key, "ejected", true);
  }

  #uneject(host: WatchedHost): void {
    const { clock, log, cluster } = this.#context;
    this.#countActive(-1);
    host.ejection.end(clock.monotonicMs());
    // Or a single new failure might be enough.
    host.resetConsecutive(Cell.consecutive5xx);
    host.resetConsecutive(Cell.consecutiveGatewayFailure);
    host.resetConsecutive(Cell.consecutiveLocalOriginFailure);
    this.#context.onVerdict(host.key, "ejected", false);
    log?.uneject(cluster, host);
  }

  #endDegradation(host: WatchedHost): void {
    const { clock, log, cluster } = this.#context;
    host.degradation.end(clock.monotonicMs());
    this.#context.onVerdict(host.key, "degraded", false);
    log?.uneject(cluster, host);
  }

  // === The end of an interval ===

  #arm(): void {
    const { clock, settings } = this.#context;
    this.#timer = clock.after(this.#number(settings.interval), () => this.#onInterval());
  }

  #onInterval(): void {
    const now = this.#context.clock.monotonicMs();
    for (const host of this.#hosts.values()) {
      if (host.ejection.isOver(now, this.#times)) this.#uneject(host);
      if (host.degradation.isOver(now, this.#times)) this.#endDegradation(host);
      host.closeInterval();
    }
    this.#findOutliers("external");
    this.#findOutliers("local");
    const intervalMs = this.#number(this.#context.settings.interval);
    for (const host of this.#hosts.values()) {
      host.ejection.relax(now, intervalMs);
      host.degradation.relax(now, intervalMs);
    }
    this.#arm();
  }

  #findOutliers(origin: Origin): void {
    const { successRate, failurePercentage } = this.#context.settings;
    this.#thresholds[origin] = noThreshold;
    const rateHostsMin = this.#number(successRate.minimumHosts);
    const failureHostsMin = this.#number(failurePercentage.minimumHosts);
    if (this.#hosts.size < rateHostsMin && this.#hosts.size < failureHostsMin) return;
    const rateVolumeMin = this.#number(successRate.requestVolume);
    const failureVolumeMin = this.#number(failurePercentage.requestVolume);
    const byRate: HostRate<WatchedHost>[] = [];
    const byFailure: HostRate<WatchedHost>[] = [];
    for (const host of this.#hosts.values()) {
      const volume = host.volume(origin);
      if (host.ejected || volume === 0) continue;
      const rate = host.rate(origin);
      if (volume >= Math.min(rateVolumeMin, failureVolumeMin)) host.successRate[origin] = rate;
      if (volume >= rateVolumeMin) byRate.push({ host, rate });
      if (volume >= failureVolumeMin) byFailure.push({ host, rate });
    }
    if (byRate.length > 0 && byRate.length >= rateHostsMin) this.#byRate(origin, byRate);
    if (byFailure.length > 0 && byFailure.length >= failureHostsMin)
      this.#byFailure(origin, byFailure);
  }

  #byRate(origin: Origin, hosts: readonly HostRate<WatchedHost>[]): void {
    const { settings, stats } = this.#context;
    const factor = this.#number(settings.successRate.stdevFactor) / 1000;
    const found = successRateThreshold(hosts, factor);
    this.#thresholds[origin] = found;
    const type = origin === "external" ? "SUCCESS_RATE" : "SUCCESS_RATE_LOCAL_ORIGIN";
    for (const { host, rate } of hosts) {
      if (rate >= found.threshold) continue;
      stats.successRate.inc();
      stats.detected[type].inc();
      this.#eject(host, type, found);
    }
  }

  #byFailure(origin: Origin, hosts: readonly HostRate<WatchedHost>[]): void {
    const { settings, stats } = this.#context;
    const percentMin = this.#number(settings.failurePercentage.threshold);
    const type = origin === "external" ? "FAILURE_PERCENTAGE" : "FAILURE_PERCENTAGE_LOCAL_ORIGIN";
    for (const { host, rate } of hosts) {
      if (100 - rate < percentMin || host.ejected) continue;
      stats.detected[type].inc();
      this.#eject(host, type, noThreshold);
    }
  }
}
