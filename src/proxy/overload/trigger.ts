import type { TriggerJson } from "#gen/envoy/config/overload/v3/overload_pb.js";
import { refuse } from "#lib/config-error.ts";

/** From the pressure of a resource, 0 to 1 and beyond, to how far that triggers something, 0 to 1. */
export interface Trigger {
  /** The resource monitor's name. */
  readonly resource: string;
  level(pressure: number): number;
}

export function compileTrigger(config: TriggerJson): Trigger {
  const { name = "", threshold, scaled } = config;
  if (threshold !== undefined) {
    const value = Number(threshold.value ?? 0);
    return { resource: name, level: (pressure) => (pressure >= value ? 1 : 0) };
  }
  if (scaled === undefined) throw refuse("", `action not set for trigger ${name}`);
  const from = Number(scaled.scalingThreshold ?? 0);
  const to = Number(scaled.saturationThreshold ?? 0);
  if (from >= to)
    throw refuse("scaled", "scaling_threshold must be less than saturation_threshold");
  return {
    resource: name,
    level(pressure) {
      if (pressure <= from) return 0;
      return pressure >= to ? 1 : (pressure - from) / (to - from);
    },
  };
}

/** The triggers of one action or shed point: it is triggered as far as the strongest says. */
export class Triggers {
  readonly #triggers: readonly Trigger[];
  readonly #levels: number[];

  constructor(triggers: readonly Trigger[]) {
    this.#triggers = triggers;
    this.#levels = triggers.map(() => 0);
  }

  get level(): number {
    return Math.max(0, ...this.#levels);
  }

  /** What the resource's own trigger says now; undefined: as before, or nothing. */
  update(resource: string, pressure: number): number | undefined {
    const index = this.#triggers.findIndex((candidate) => candidate.resource === resource);
    const trigger = this.#triggers[index];
    if (trigger === undefined) return undefined;
    const level = trigger.level(pressure);
    if (level === this.#levels[index]) return undefined;
    this.#levels[index] = level;
    return level;
  }
}
