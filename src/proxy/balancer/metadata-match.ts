import type { MetadataJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { Json, Metadata } from "../stream-info.ts";

/** What a host's `envoy.lb` metadata must be, compiled once. */
export interface MetadataMatch {
  readonly values: Readonly<Record<string, Json>>;
  /** Of the names alone, and of names and values: equal criteria have equal texts. */
  readonly names: string;
  readonly text: string;
}

const namespace = "envoy.lb";

/** The later ones win, name by name. Undefined when none says anything about balancing. */
export function compileMetadataMatch(
  ...levels: readonly (MetadataJson | undefined)[]
): MetadataMatch | undefined {
  let values: Record<string, Json> | undefined;
  for (const level of levels) {
    const metadata = level?.filterMetadata as Metadata | undefined;
    const more = metadata?.[namespace];
    if (more !== undefined) values = { ...values, ...more };
  }
  return values === undefined ? undefined : matchOf(values);
}

export function matchOf(values: Readonly<Record<string, Json>>): MetadataMatch {
  const names = Object.keys(values).sort();
  const pairs = names.map((name) => [name, values[name] ?? null]);
  return { values, names: namesText(names), text: JSON.stringify(pairs, sorted) };
}

export function namesText(names: readonly string[]): string {
  return JSON.stringify([...new Set(names)].sort());
}

/** The criteria that a host meets under these names; undefined when it lacks one. */
export function matchOfHost(
  metadata: Metadata | undefined,
  names: readonly string[],
): MetadataMatch | undefined {
  const all = metadata?.[namespace];
  const values: Record<string, Json> = {};
  for (const name of names) {
    if (all === undefined || !Object.hasOwn(all, name)) return undefined;
    values[name] = all[name] ?? null;
  }
  return matchOf(values);
}

/** The same struct has the same text whatever the order of its fields. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
