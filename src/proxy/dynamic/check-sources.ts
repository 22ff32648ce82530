import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { ConfigError, within } from "#lib/config-error.ts";
import {
  endpointType,
  extensionType,
  type ResourceType,
  routeType,
  scopedRouteType,
  secretType,
  virtualHostType,
} from "#xds/resource-type.ts";
import type { ConfigChange } from "../worker-protocol.ts";
import type { Sources } from "./sources.ts";
import { messageOf, refusedBy } from "./status.ts";
import type { WorkerControl } from "./worker-control.ts";

const typesByField: ReadonlyMap<string, ResourceType> = new Map([
  ["edsConfig", endpointType],
  ["sdsConfig", secretType],
  ["rdsConfigSource", routeType],
  ["scopedRdsConfigSource", scopedRouteType],
]);

/** Of fields called `configSource`, by the field that they are in. */
const typesByParent: ReadonlyMap<string, ResourceType> = new Map([
  ["rds", routeType],
  ["vhds", virtualHostType],
  ["configDiscovery", extensionType],
]);

/** Throws ConfigError when something in `config` is to come from where nothing can come. */
export function checkSources(config: unknown, sources: Sources, parent = ""): void {
  if (typeof config !== "object" || config === null) return;
  for (const [field, value] of Object.entries(config)) {
    const type = field === "configSource" ? typesByParent.get(parent) : typesByField.get(field);
    within(pathOf(config, field), () => {
      // Proof: only fields of this type have these names.
      if (type !== undefined) sources.check(value as ConfigSourceJson, type);
      else checkSources(value, sources, field);
    });
  }
}

/** As .proto files spell it. */
function pathOf(parent: object, field: string): string {
  if (Array.isArray(parent)) return `[${field}]`;
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What is wrong with each change, by its place: sources that cannot be are found here, all else by the workers. */
export async function refusedChanges(
  changes: readonly ConfigChange[],
  { workers, sources }: { readonly workers: WorkerControl; readonly sources: Sources },
): Promise<ReadonlyMap<number, string>> {
  const refused = new Map<number, string>();
  const good: ConfigChange[] = [];
  const places: number[] = [];
  for (const [index, change] of changes.entries()) {
    try {
      if ("config" in change) checkSources(change.config, sources);
      places.push(index);
      good.push(change);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      refused.set(index, messageOf(error.problems));
    }
  }
  for (const [place, message] of refusedBy(await workers.change(good))) {
    const index = places[place];
    if (index !== undefined) refused.set(index, message);
  }
  return refused;
}
