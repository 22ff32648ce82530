import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { Host } from "../cluster/host.ts";
import type { Runtime } from "../runtime.ts";
import type { CheckStats } from "./check-stats.ts";
import type { CheckSettings } from "./config.ts";
import type { CheckEventLog } from "./event-log.ts";
import type { HostCheck } from "./host-check.ts";
import type { Failure, Probe, ProbeOwner } from "./probe.ts";
import { firstCheckMs, nextCheckMs } from "./schedule.ts";

export interface SessionContext {
  readonly settings: CheckSettings;
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: CheckStats;
  readonly log: CheckEventLog | undefined;
  /** The cluster has been used. */
  readonly hasTraffic: () => boolean;
  readonly makeProbe: (owner: ProbeOwner) => Probe;
  /** After each check. */
  readonly onChecked: (session: CheckSession, passed: boolean) => void;
}

/** What one host's checks have said, and when the next one is (envoy: ActiveHealthCheckSession). */
export class CheckSession implements ProbeOwner {
  readonly #context: SessionContext;
  readonly #probe: Probe;
  #failed = true;
  #degraded = false;
  #pending: boolean;
  #excluded = false;
  #timedOut = false;
  /** No longer named by discovery. */
  leaving = false;
  /** No check is over yet. */
  #first = true;
  #passedInRow = 0;
  #failedInRow = 0;
  #interval: { cancel(): void } | undefined;
  #timeout: { cancel(): void } | undefined;
  #stopped = false;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#pending = context.settings.leavesOutNew;
    this.#probe = context.makeProbe(this);
  }

  get failed(): boolean {
    return this.#failed;
  }

  get checked(): boolean {
    return !this.#first;
  }

  get state(): HostCheck {
    return {
      failed: this.#failed,
      degraded: this.#degraded,
      pending: this.#pending,
      excluded: this.#excluded,
      timedOut: this.#timedOut,
      leaving: this.leaving,
    };
  }

  start(): void {
    const { settings } = this.#context;
    const waitMs = firstCheckMs(settings.schedule, this.#context);
    if (waitMs === undefined) this.#check();
    else this.#arm(waitMs);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#interval?.cancel();
    this.#timeout?.cancel();
    const { stats } = this.#context;
    if (!this.#failed) stats.healthy.dec();
    if (this.#degraded) stats.degraded.dec();
    this.#probe.destroy();
  }

  #arm(ms: number): void {
    this.#interval?.cancel();
    this.#interval = this.#context.clock.after(ms, () => this.#check());
  }

  #check(): void {
    const { clock, settings, stats } = this.#context;
    this.#timeout = clock.after(settings.timeoutMs, () => this.#onTimeout());
    stats.attempt.inc();
    this.#probe.begin();
  }

  #onTimeout(): void {
    this.#probe.giveUp();
    this.onFailed({ type: "NETWORK_TIMEOUT" });
  }

  onPassed(degraded: boolean): void {
    if (this.#stopped) return;
    const { stats, log, host, settings } = this.#context;
    const first = this.#first;
    this.#failedInRow = 0;
    let pending = false;
    let changed = false;
    if (this.#failed) {
      // The first check is enough for a host that nobody knows yet.
      changed = first || ++this.#passedInRow === settings.healthyThreshold;
      pending = !changed;
      if (changed) this.#becomeHealthy(first);
    }
    if (!changed && settings.logsSuccesses) log?.passed(host);
    // A host that is no longer left out is a change, whatever else it is.
    if (this.#pending) pending = false;
    this.#pending = false;
    if (degraded !== this.#degraded) this.#setDegraded(degraded);
    stats.success.inc();
    this.#end({ passed: true, pending });
  }

  #becomeHealthy(first: boolean): void {
    const { stats, log, host } = this.#context;
    this.#failed = false;
    this.#excluded = false;
    this.#timedOut = false;
    stats.healthy.inc();
    log?.addHealthy(host, first);
  }

  #setDegraded(degraded: boolean): void {
    const { stats, log, host } = this.#context;
    this.#degraded = degraded;
    if (degraded) {
      stats.degraded.inc();
      log?.degraded(host);
    } else {
      stats.degraded.dec();
      log?.noLongerDegraded(host);
    }
  }

  onFailed(failure: Failure): void {
    if (this.#stopped) return;
    if (failure.excluded === true) this.#excluded = true;
    this.#end({ passed: false, pending: this.#count(failure) });
  }

  /** An ordinary answer said so: the times of the checks stay as they are. */
  failImmediately(): void {
    if (this.#stopped) return;
    this.#excluded = true;
    this.#count({ type: "PASSIVE" });
    this.#first = false;
    this.#context.onChecked(this, false);
  }

  /** Whether more failures must come before the host is unhealthy. */
  #count({ type, retriable = false }: Failure): boolean {
    const { stats, log, host, settings } = this.#context;
    const network = type === "NETWORK" || type === "NETWORK_TIMEOUT";
    this.#passedInRow = 0;
    let pending = false;
    if (!this.#failed) {
      const enough = !network && !retriable;
      if (enough || ++this.#failedInRow === settings.unhealthyThreshold) {
        this.#failed = true;
        stats.healthy.dec();
        log?.ejectUnhealthy(host, type);
      } else pending = true;
    }
    this.#timedOut = type === "NETWORK_TIMEOUT" && this.#failed;
    if (this.#pending) pending = false;
    this.#pending = false;
    if (this.#first || settings.logsFailures) log?.failed(host, type, this.#first);
    stats.failure.inc();
    if (network) stats.networkFailure.inc();
    else if (type === "PASSIVE") stats.passiveFailure.inc();
    return pending;
  }

  #end({ passed, pending }: { readonly passed: boolean; readonly pending: boolean }): void {
    const { settings, hasTraffic } = this.#context;
    this.#first = false;
    this.#timeout?.cancel();
    this.#timeout = undefined;
    this.#context.onChecked(this, passed);
    // Its owner may have let it go just now.
    if (this.#stopped) return;
    const end = { passed, pending, traffic: hasTraffic() };
    this.#arm(nextCheckMs(settings.schedule, end, this.#context));
  }
}
