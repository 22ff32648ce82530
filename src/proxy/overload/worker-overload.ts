import type { Random } from "#lib/random.ts";
import type { Timers } from "#lib/timers.ts";
import type { Counter, StatsScope } from "../stats/stats.ts";
import type { CompiledOverload } from "./config.ts";
import { Action, type OverloadLevels, ShedPoint } from "./names.ts";
import { ScaledTimers, type TimerType } from "./scaled-timers.ts";

/** A place where load may be shed. */
class LoadShedPoint {
  level = 0;
  readonly #count: Counter;

  constructor(count: Counter) {
    this.#count = count;
  }

  sheds(random: Random): boolean {
    if (this.level === 0 || random.unit() >= this.level) return false;
    this.#count.inc();
    return true;
  }
}

/** What the overload manager says, in one worker. Unless it says something, a request costs looking at one field. */
export class WorkerOverload {
  /** Some requests are refused. */
  refusing = false;
  /** How many answers end their connection, 0 to 1. */
  endingConnections = 0;
  /** Some connections are closed as soon as they are accepted. */
  rejecting = false;
  /** No connection is accepted. */
  paused = false;
  /** Undefined: without a limit, or by the runtime's. */
  connectionsMax: number | undefined;
  /** Connections that this limit refused. */
  connectionsRefused: Counter | undefined;
  /** Nothing of this holds, whatever the main thread says. */
  bypasses = false;
  #levels: OverloadLevels = {};
  readonly #random: Random;
  readonly #timers: Timers;
  #scaled: ReadonlyMap<TimerType, ScaledTimers> = new Map();
  #accept: LoadShedPoint | undefined;
  #decodeHeaders: LoadShedPoint | undefined;
  #creatingCodec: LoadShedPoint | undefined;

  constructor(parts: { readonly random: Random; readonly timers: Timers }) {
    this.#random = parts.random;
    this.#timers = parts.timers;
  }

  /** Once, before anything asks. */
  configure({ monitors, shedPoints, minimums }: CompiledOverload, stats: StatsScope): void {
    const point = (name: string): LoadShedPoint | undefined =>
      shedPoints.some((shedPoint) => shedPoint.name === name)
        ? new LoadShedPoint(stats.counter(`overload.${name}.shed_load_count`))
        : undefined;
    this.#accept = point(ShedPoint.listenerAccept);
    this.#decodeHeaders = point(ShedPoint.decodeHeaders);
    this.#creatingCodec = point(ShedPoint.creatingCodec);
    const { clock } = this.#timers;
    this.#scaled = new Map(
      [...minimums].map(([type, minimum]) => [type, new ScaledTimers(clock, minimum)]),
    );
    const monitor = monitors.find(({ connectionsMax }) => connectionsMax !== undefined);
    this.connectionsMax = monitor?.connectionsMax;
    if (monitor !== undefined)
      this.connectionsRefused = stats.counter(`overload.${monitor.name}.failed_updates`);
  }

  /** For a listener with bypass_overload_manager: only timeouts are as for all. */
  bypassed(): WorkerOverload {
    const calm = new WorkerOverload({ random: this.#random, timers: this.#timers });
    calm.bypasses = true;
    calm.#scaled = this.#scaled;
    return calm;
  }

  /** The timers for timeouts of this type. */
  timers(type: TimerType): Timers {
    return this.#scaled.get(type) ?? this.#timers;
  }

  /** What the main thread has found; all that it has ever said of. */
  update(levels: OverloadLevels): void {
    this.#levels = levels;
    const points = {
      [ShedPoint.listenerAccept]: this.#accept,
      [ShedPoint.decodeHeaders]: this.#decodeHeaders,
      [ShedPoint.creatingCodec]: this.#creatingCodec,
    };
    for (const [name, point] of Object.entries(points))
      if (point !== undefined) point.level = levels[name] ?? 0;
    this.refusing =
      this.#level(Action.stopAcceptingRequests) + (this.#decodeHeaders?.level ?? 0) > 0;
    this.endingConnections = this.#level(Action.disableHttpKeepalive);
    this.rejecting = this.#level(Action.rejectIncomingConnections) + (this.#accept?.level ?? 0) > 0;
    this.paused = this.#level(Action.stopAcceptingConnections) === 1;
    const reduced = this.#level(Action.reduceTimeouts);
    for (const timers of this.#scaled.values()) timers.level = reduced;
  }

  #level(action: string): number {
    return this.#levels[action] ?? 0;
  }

  /** Ask only while `refusing`. */
  refusesRequest(): boolean {
    if (this.#decodeHeaders?.sheds(this.#random) === true) return true;
    return this.#random.unit() < this.#level(Action.stopAcceptingRequests);
  }

  /** Ask only while `rejecting`. */
  rejectsConnection(): boolean {
    if (this.#accept?.sheds(this.#random) === true) return true;
    return this.#random.unit() < this.#level(Action.rejectIncomingConnections);
  }

  endsConnection(): boolean {
    return this.endingConnections > 0 && this.#random.unit() < this.endingConnections;
  }

  /** A connection whose first bytes came is closed before anything is made for it. */
  shedsBeforeCodec(): boolean {
    return this.#creatingCodec?.sheds(this.#random) === true;
  }
}
