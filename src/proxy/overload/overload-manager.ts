import type { OverloadManagerJson } from "#gen/envoy/config/overload/v3/overload_pb.js";
import type { Clock } from "#lib/clock.ts";
import type { Counter, Gauge, Histogram, StatsScope } from "../stats/stats.ts";
import { compileOverload, type Triggered } from "./config.ts";
import type { Observed, Pressure, ResourceMonitor } from "./monitors.ts";
import { Action, type OverloadLevels } from "./names.ts";
import { Triggers } from "./trigger.ts";

export interface OverloadContext {
  readonly clock: Clock;
  /** The main thread's own. */
  readonly stats: StatsScope;
  readonly observed: Observed;
  /** For every worker. */
  readonly onLevels: (levels: OverloadLevels) => void;
  /** Every worker is to give memory back; false: it cannot. */
  readonly shrinkHeap: () => boolean;
}

const shrinkIntervalMs = 10_000;

/** Looks at resources from time to time and says how far each action is triggered; one for all workers, in the main thread. */
export class OverloadManager {
  readonly #context: OverloadContext;
  readonly #refreshIntervalMs: number;
  readonly #resources: readonly Resource[];
  readonly #actions: readonly TriggeredAction[];
  readonly #points: readonly TriggeredPoint[];
  readonly #delay: Histogram;
  #shrinkCount: Counter | undefined;
  #levels: OverloadLevels = {};
  #measuredMs = 0;
  #timer: { cancel(): void } | undefined;
  #shrinkTimer: { cancel(): void } | undefined;

  constructor(config: OverloadManagerJson, context: OverloadContext) {
    const compiled = compileOverload(config);
    this.#context = context;
    const stats = context.stats.scope("overload.");
    this.#refreshIntervalMs = compiled.refreshIntervalMs;
    this.#resources = compiled.monitors.map((monitor) => new Resource(monitor, stats));
    this.#actions = compiled.actions.map((action) => new TriggeredAction(action, stats));
    this.#points = compiled.shedPoints.map((point) => new TriggeredPoint(point, stats));
    this.#delay = stats.histogram("refresh_interval_delay");
    if (compiled.actions.some(({ name }) => name === Action.shrinkHeap))
      this.#shrinkCount = stats.counter(`${Action.shrinkHeap}.shrink_count`);
  }

  start(): void {
    if (this.#resources.length === 0) return;
    const { clock } = this.#context;
    this.#measuredMs = clock.monotonicMs();
    this.#timer = clock.after(this.#refreshIntervalMs, () => this.#refresh());
    if (this.#shrinkCount !== undefined) this.#shrinkLater(this.#shrinkCount);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#shrinkTimer?.cancel();
  }

  #refresh(): void {
    const { clock, observed, onLevels } = this.#context;
    for (const resource of this.#resources) {
      const pressure = resource.measure(observed);
      if (pressure === undefined) continue;
      for (const action of this.#actions) action.update(resource.name, pressure);
      for (const point of this.#points) point.update(resource.name, pressure);
    }
    const all = [...this.#actions, ...this.#points];
    if (all.some(({ name, level }) => level !== (this.#levels[name] ?? 0))) {
      this.#levels = Object.fromEntries(all.map(({ name, level }) => [name, level]));
      onLevels(this.#levels);
    }
    const now = clock.monotonicMs();
    this.#delay.record(Math.floor(now - this.#measuredMs));
    this.#measuredMs = now;
    this.#timer = clock.after(this.#refreshIntervalMs, () => this.#refresh());
  }

  #shrinkLater(count: Counter): void {
    const { clock, shrinkHeap } = this.#context;
    this.#shrinkTimer = clock.after(shrinkIntervalMs, () => {
      if (this.#levels[Action.shrinkHeap] === 1 && shrinkHeap()) count.inc();
      this.#shrinkLater(count);
    });
  }
}

/** A resource and its `overload.<name>.` */
class Resource {
  readonly name: string;
  readonly #pressure: Pressure;
  readonly #gauge: Gauge;
  readonly #failed: Counter;

  constructor({ name, connectionsMax, makePressure }: ResourceMonitor, stats: StatsScope) {
    this.name = name;
    this.#pressure = makePressure();
    this.#gauge = stats.gauge(`${name}.pressure`);
    this.#failed = stats.counter(`${name}.failed_updates`);
    // Nothing here waits for an answer, so nothing is ever skipped; Envoy has the name for all but connections.
    if (connectionsMax === undefined) stats.counter(`${name}.skipped_updates`);
  }

  measure(observed: Observed): number | undefined {
    const pressure = this.#pressure(observed);
    if (pressure === undefined) this.#failed.inc();
    else this.#gauge.set(Math.trunc(pressure * 100));
    return pressure;
  }
}

class TriggeredAction {
  readonly name: string;
  readonly #triggers: Triggers;
  readonly #active: Gauge;
  readonly #percent: Gauge;

  constructor({ name, triggers }: Triggered, stats: StatsScope) {
    this.name = name;
    this.#triggers = new Triggers(triggers);
    this.#active = stats.gauge(`${name}.active`);
    this.#percent = stats.gauge(`${name}.scale_percent`);
    this.#active.set(0);
    this.#percent.set(0);
  }

  get level(): number {
    return this.#triggers.level;
  }

  update(resource: string, pressure: number): void {
    const level = this.#triggers.update(resource, pressure);
    if (level === undefined) return;
    // As in Envoy, the gauges show the trigger that changed last, not the strongest.
    this.#active.set(level === 1 ? 1 : 0);
    this.#percent.set(percent(level));
  }
}

class TriggeredPoint {
  readonly name: string;
  readonly #triggers: Triggers;
  readonly #percent: Gauge;

  constructor({ name, triggers }: Triggered, stats: StatsScope) {
    this.name = name;
    this.#triggers = new Triggers(triggers);
    this.#percent = stats.gauge(`${name}.scale_percent`);
    this.#percent.set(0);
  }

  get level(): number {
    return this.#triggers.level;
  }

  update(resource: string, pressure: number): void {
    this.#triggers.update(resource, pressure);
    this.#percent.set(percent(this.level));
  }
}

/** In single precision, as Envoy: 0.58 is 58 %, not 57. */
function percent(level: number): number {
  return Math.trunc(Math.fround(Math.fround(level) * 100));
}
