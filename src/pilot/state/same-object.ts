import type { ServiceEntryJson } from "#gen/istio/networking/v1alpha3/service_entry_pb.js";
import type { ConfigObject } from "#model/object.ts";
import { same } from "../collections/same.ts";

/** The same content, and where it stands as far as its first and last lines tell: messages name lines. */
export function sameObject(a: ConfigObject, b: ConfigObject): boolean {
  return sameButSpec(a, b) && same(a.spec, b.spec) && samePlace(a, b, lastKeys(a.spec));
}

/** The same, whatever the endpoints that a ServiceEntry lists. */
export function sameButEndpoints(
  a: ConfigObject<ServiceEntryJson>,
  b: ConfigObject<ServiceEntryJson>,
): boolean {
  const [left, right] = [withoutEndpoints(a.spec), withoutEndpoints(b.spec)];
  return sameButSpec(a, b) && same(left, right) && samePlace(a, b, lastKeys(left));
}

function withoutEndpoints({ endpoints: _, ...rest }: ServiceEntryJson): ServiceEntryJson {
  return rest;
}

/** Versions count changes, they are none. */
function sameButSpec(a: ConfigObject, b: ConfigObject): boolean {
  const { resourceVersion: _a, generation: _ga, ...left } = a.metadata;
  const { resourceVersion: _b, generation: _gb, ...right } = b.metadata;
  return (
    a.apiVersion === b.apiVersion &&
    same(left, right) &&
    same(a.status, b.status) &&
    a.source?.name === b.source?.name &&
    samePlace(a, b, [])
  );
}

function samePlace(a: ConfigObject, b: ConfigObject, keys: readonly (string | number)[]): boolean {
  return same(a.source?.positionOf(keys), b.source?.positionOf(keys));
}

/** The way to the last leaf of the spec. */
function lastKeys(spec: unknown): readonly (string | number)[] {
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
