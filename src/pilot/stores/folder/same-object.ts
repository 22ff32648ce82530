import type { ConfigObject } from "#model/object.ts";
import { same } from "../../collections/same.ts";

/** The same content, and where it stands as far as its first and last lines tell: messages name lines. */
export function sameObject(a: ConfigObject, b: ConfigObject): boolean {
  return (
    a.apiVersion === b.apiVersion &&
    same(contentOf(a), contentOf(b)) &&
    a.source?.name === b.source?.name &&
    samePlace(a, b, []) &&
    samePlace(a, b, lastKeys(a))
  );
}

function contentOf({ metadata, spec, status }: ConfigObject): object {
  const { resourceVersion: _, ...rest } = metadata;
  return { rest, spec, status };
}

function samePlace(a: ConfigObject, b: ConfigObject, keys: readonly (string | number)[]): boolean {
  return same(a.source?.positionOf(keys), b.source?.positionOf(keys));
}

/** The way to the last leaf of the spec. */
function lastKeys({ spec }: ConfigObject): readonly (string | number)[] {
  const keys: (string | number)[] = ["spec"];
  let value: unknown = spec;
  while (typeof value === "object" && value !== null) {
    const last = Array.isArray(value) ? value.length - 1 : Object.keys(value).at(-1);
    if (last === undefined || last === -1) break;
    keys.push(last);
    value = new Map<string | number, unknown>(
      Array.isArray(value) ? value.entries() : Object.entries(value),
    ).get(last);
  }
  return keys;
}
