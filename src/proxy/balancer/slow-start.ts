import type { SlowStartConfigJson } from "#gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js";
import type { Clock } from "#lib/clock.ts";
import { within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { Host } from "../cluster/host.ts";
import type { Runtime } from "../runtime.ts";

interface SlowStartContext {
  readonly clock: Clock;
  readonly runtime: Runtime;
}

/** Hosts that have just become healthy get less than their weight, and more of it as time goes by. */
export class SlowStart {
  readonly #context: SlowStartContext;
  readonly #windowMs: number;
  readonly #aggression: SlowStartConfigJson["aggression"];
  readonly #fractionMin: number;
  /** When the latest of them became healthy. */
  #latestMs: number;

  private constructor(config: SlowStartConfigJson, windowMs: number, context: SlowStartContext) {
    this.#context = context;
    this.#windowMs = windowMs;
    this.#aggression = config.aggression;
    const { minWeightPercent } = config;
    // A message that is there with nothing in it is 0 %.
    this.#fractionMin =
      minWeightPercent === undefined ? 0.1 : Number(minWeightPercent.value ?? 0) / 100;
    this.#latestMs = context.clock.monotonicMs();
  }

  /** Undefined: a window of no length. */
  static of(
    config: SlowStartConfigJson | undefined,
    context: SlowStartContext,
  ): SlowStart | undefined {
    const windowMs = within("slow_start_window", () => durationMs(config?.slowStartWindow, 0));
    if (config === undefined || windowMs === 0) return undefined;
    return new SlowStart(config, windowMs, context);
  }

  /** Whether some host may have less than its weight. */
  get active(): boolean {
    return this.#context.clock.monotonicMs() - this.#latestMs <= this.#windowMs;
  }

  /** Healthy hosts that are new here begin now. */
  note(hosts: readonly Host[]): void {
    const now = this.#context.clock.monotonicMs();
    for (const host of hosts) {
      if (host.health !== "healthy") continue;
      if (host.healthySinceMs === 0) host.healthySinceMs = now;
      if (host.healthySinceMs > this.#latestMs) this.#latestMs = host.healthySinceMs;
    }
  }

  weigh(host: Host, weight: number): number {
    if (host.healthySinceMs === 0 || host.health !== "healthy") return weight;
    const elapsedMs = Math.floor(this.#context.clock.monotonicMs() - host.healthySinceMs);
    if (elapsedMs >= this.#windowMs) return weight;
    const fraction = Math.max(1, elapsedMs) / this.#windowMs;
    return weight * Math.max(fraction ** (1 / this.#aggressionNow()), this.#fractionMin);
  }

  #aggressionNow(): number {
    if (this.#aggression === undefined) return 1;
    const configured = Number(this.#aggression.defaultValue ?? 0);
    const value = this.#context.runtime.number(this.#aggression.runtimeKey ?? "", configured);
    return value > 0 ? value : 1;
  }
}
