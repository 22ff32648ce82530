import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { extension, type JsonObject } from "./config.ts";
import type { CaseContext } from "./context.ts";

export const injected = "envoy.resource_monitors.injected_resource";
export const connections = "envoy.resource_monitors.global_downstream_max_connections";

export const action = (name: string): string => `envoy.overload_actions.${name}`;
export const shedPoint = (name: string): string => `envoy.load_shed_points.${name}`;

/** Reads its pressure from the case's file. */
export const injectedMonitor: JsonObject = extension(
  injected,
  "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig",
  { filename: "{folder}/pressure" },
);

export const connectionsMonitor = (max: number): JsonObject =>
  extension(
    connections,
    "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
    { max_active_downstream_connections: max },
  );

export const from = (value: number, name: string = injected): JsonObject => ({
  name,
  threshold: { value },
});

export const between = (low: number, high: number): JsonObject => ({
  name: injected,
  scaled: { scaling_threshold: low, saturation_threshold: high },
});

/** An action's or a shed point's entry: triggered from 0.9 on unless it says otherwise. */
export const triggered = (
  name: string,
  trigger: JsonObject = from(0.9),
  extra: JsonObject = {},
): JsonObject => ({ name, triggers: [trigger], ...extra });

/** A bootstrap whose overload manager looks often. */
export const overload = (parts: JsonObject): JsonObject => ({
  overload_manager: {
    refresh_interval: "0.02s",
    resource_monitors: [injectedMonitor],
    ...parts,
  },
});

/** `prepare` of a case with `injectedMonitor`. */
export function calm(t: CaseContext): void {
  writeFileSync(join(t.folder, "pressure"), "0");
}

/** Envoy sees a file that is moved there, not one that is written to. Returns when the proxy has seen it. */
export async function press(t: CaseContext, pressure: number): Promise<void> {
  putPressure(t, String(pressure));
  await t.stats({ [`overload.${injected}.pressure`]: Math.trunc(pressure * 100) });
}

export function putPressure(t: CaseContext, text: string): void {
  const path = join(t.folder, "pressure");
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Sets a pressure that triggers this action or shed point fully. */
export async function saturate(t: CaseContext, name: string, pressure = 1): Promise<void> {
  putPressure(t, String(pressure));
  await t.stats({ [`overload.${name}.scale_percent`]: 100 });
}
