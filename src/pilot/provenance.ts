import type { ConfigObject } from "#model/object.ts";

/** A rule that was written, behind something that was generated. */
export interface Rule {
  readonly object: ConfigObject;
  /** `["spec", "http", 0, "match", 1]` */
  readonly keys: readonly (string | number)[];
}

const rulesOf = new WeakMap<object, readonly Rule[]>();

/** Remembers which rules made a generated object (a route, a cluster, a filter chain); costs nothing on the wire. */
export function decidedBy<T extends object>(generated: T, ...rules: readonly Rule[]): T {
  const known = rulesOf.get(generated) ?? [];
  rulesOf.set(generated, [...known, ...rules]);
  return generated;
}

/** Empty: no rule of anybody's, a default of the mesh. */
export function rulesBehind(generated: object): readonly Rule[] {
  return rulesOf.get(generated) ?? [];
}
