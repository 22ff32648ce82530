import type {
  LoadShedPointJson,
  OverloadActionJson,
  OverloadManagerJson,
  ScaleTimersOverloadActionConfig_ScaleTimerJson as ScaleTimerJson,
  ScaleTimersOverloadActionConfigJson,
  TriggerJson,
} from "#gen/envoy/config/overload/v3/overload_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileMonitor, type ResourceMonitor } from "./monitors.ts";
import { Action, connectionsMonitor, ShedPoint } from "./names.ts";
import type { TimeoutMinimum, TimerType } from "./scaled-timers.ts";
import { compileTrigger, type Trigger } from "./trigger.ts";

/** Something that monitors trigger. */
export interface Triggered {
  readonly name: string;
  readonly triggers: readonly Trigger[];
}

export interface CompiledOverload {
  readonly refreshIntervalMs: number;
  readonly monitors: readonly ResourceMonitor[];
  readonly actions: readonly Triggered[];
  readonly shedPoints: readonly Triggered[];
  /** Of reduce_timeouts. */
  readonly minimums: ReadonlyMap<TimerType, TimeoutMinimum>;
}

const scaleTimersType = "envoy.config.overload.v3.ScaleTimersOverloadActionConfig";

/** Throws ConfigError with every problem. */
export function compileOverload(config: OverloadManagerJson): CompiledOverload {
  const refreshIntervalMs = within("refresh_interval", () =>
    durationMs(config.refreshInterval, 1000),
  );
  const monitors = unique(
    "resource_monitors",
    "resource monitor",
    config.resourceMonitors,
    compileMonitor,
  );
  const resources = new Set(monitors.map(({ name }) => name));
  const minimums = new Map<TimerType, TimeoutMinimum>();
  const actions = unique("actions", "overload action", config.actions, (action) =>
    compileAction(action, { resources, minimums }),
  );
  const shedPoints = unique("loadshed_points", "loadshed point", config.loadshedPoints, (point) =>
    compilePoint(point, resources),
  );
  return { refreshIntervalMs, monitors, actions, shedPoints, minimums };
}

function unique<I, O extends { readonly name: string }>(
  path: string,
  kind: string,
  items: readonly I[] | undefined,
  compile: (item: I) => O,
): readonly O[] {
  const names = new Set<string>();
  return compileEach(path, items, (item) => {
    const compiled = compile(item);
    if (names.has(compiled.name)) throw refuse("name", `Duplicate ${kind} ${compiled.name}`);
    names.add(compiled.name);
    return compiled;
  });
}

interface ActionContext {
  readonly resources: ReadonlySet<string>;
  readonly minimums: Map<TimerType, TimeoutMinimum>;
}

function compileAction(config: OverloadActionJson, context: ActionContext): Triggered {
  const { name = "", typedConfig } = config;
  if (!Object.values<string>(Action).includes(name))
    throw refuse("name", `Heddle has no overload action ${name}`);
  const triggers = compileTriggers(config.triggers, {
    owner: `overload action ${name}`,
    // Envoy knows this one whether it is configured or not.
    resources: new Set([...context.resources, connectionsMonitor]),
  });
  if (name === Action.reduceTimeouts)
    within("typed_config", () => compileMinimums(typedConfig, context.minimums));
  else if (typedConfig !== undefined)
    throw refuse(
      "typed_config",
      `Overload action "${name}" has an unexpected value for the typed_config field`,
    );
  return { name, triggers };
}

function compilePoint(config: LoadShedPointJson, resources: ReadonlySet<string>): Triggered {
  const { name = "" } = config;
  if (!Object.values<string>(ShedPoint).includes(name))
    throw refuse("name", `Heddle has no load shed point ${name}`);
  const owner = `loadshed point ${name}`;
  return { name, triggers: compileTriggers(config.triggers, { owner, resources }) };
}

function compileTriggers(
  configs: readonly TriggerJson[] | undefined,
  { owner, resources }: { readonly owner: string; readonly resources: ReadonlySet<string> },
): readonly Trigger[] {
  const seen = new Set<string>();
  return compileEach("triggers", configs, (config) => {
    const trigger = compileTrigger(config);
    const { resource } = trigger;
    if (!resources.has(resource))
      throw refuse("name", `Unknown trigger resource ${resource} for ${owner}`);
    if (seen.has(resource)) throw refuse("name", `Duplicate trigger resource for ${owner}`);
    seen.add(resource);
    return trigger;
  });
}

function compileMinimums(typedConfig: unknown, minimums: Map<TimerType, TimeoutMinimum>): void {
  const type = String((typedConfig as { "@type"?: unknown } | undefined)?.["@type"] ?? "");
  if (!type.endsWith(`/${scaleTimersType}`)) throw refuse("", `must be a ${scaleTimersType}`);
  // Proof: its type says so.
  const { timerScaleFactors } = typedConfig as ScaleTimersOverloadActionConfigJson;
  compileEach("timer_scale_factors", timerScaleFactors, (config) => {
    const { timer = "UNSPECIFIED" } = config;
    if (timer === "UNSPECIFIED") throw refuse("timer", "Unknown timer type 0");
    if (minimums.has(timer)) throw refuse("timer", `Found duplicate entry for timer type ${timer}`);
    minimums.set(timer, compileMinimum(config));
  });
}

function compileMinimum({ minTimeout, minScale }: ScaleTimerJson): TimeoutMinimum {
  if (minTimeout === undefined) {
    const part = Number(minScale?.value ?? 0) / 100;
    return (fullMs) => fullMs * part;
  }
  const minMs = within("min_timeout", () => durationMs(minTimeout));
  return (fullMs) => Math.min(fullMs, minMs);
}
