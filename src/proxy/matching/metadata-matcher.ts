import type { MetadataMatcherJson } from "#gen/envoy/type/matcher/v3/metadata_pb.js";
import type { ValueMatcherJson } from "#gen/envoy/type/matcher/v3/value_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import type { Json, Metadata } from "../stream-info.ts";
import { byteText } from "./byte-text.ts";
import { compileStringMatcher } from "./string-matcher.ts";

type ValuePredicate = (value: Json | undefined) => boolean;

/** `envoy.type.matcher.v3.MetadataMatcher` on metadata by namespace. */
export function compileMetadataMatcher(
  config: MetadataMatcherJson,
): (metadata: Metadata | undefined) => boolean {
  const namespace = config.filter ?? "";
  const path = (config.path ?? []).map((segment) => segment.key ?? "");
  const { value } = config;
  if (value === undefined) throw refuse("value", "is required");
  const matches = within("value", () => compileValueMatcher(value));
  const invert = config.invert === true;
  return (metadata) => matches(metadataAt(metadata, namespace, path)) !== invert;
}

/** The value that a path of keys leads to in a namespace; undefined when it leads nowhere. */
export function metadataAt(
  metadata: Metadata | undefined,
  namespace: string,
  path: readonly string[],
): Json | undefined {
  let found: Json | undefined = metadata?.[namespace];
  for (const key of path)
    found = isObject(found) && Object.hasOwn(found, key) ? found[key] : undefined;
  return found;
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function compileValueMatcher(config: ValueMatcherJson): ValuePredicate {
  if (config.nullMatch !== undefined) return (value) => value === null;
  // As in Envoy, `present_match: false` matches nothing: absence is asked for with `invert`.
  if (config.presentMatch !== undefined)
    return (value) => value !== undefined && config.presentMatch === true;
  if (config.boolMatch !== undefined) return (value) => value === config.boolMatch;
  if (config.stringMatch !== undefined) {
    const { stringMatch } = config;
    const matches = within("string_match", () => compileStringMatcher(stringMatch));
    return (value) => typeof value === "string" && matches(byteText(value));
  }
  if (config.doubleMatch !== undefined) {
    const { exact, range } = config.doubleMatch;
    if (exact !== undefined) return (value) => value === Number(exact);
    return (value) =>
      typeof value === "number" &&
      value >= Number(range?.start ?? 0) &&
      value < Number(range?.end ?? 0);
  }
  if (config.listMatch?.oneOf !== undefined) {
    const { oneOf } = config.listMatch;
    const matches = within("list_match.one_of", () => compileValueMatcher(oneOf));
    return (value) => Array.isArray(value) && value.some(matches);
  }
  if (config.orMatch !== undefined) {
    const all = (config.orMatch.valueMatchers ?? []).map(compileValueMatcher);
    return (value) => all.some((matches) => matches(value));
  }
  throw refuse(
    "match_pattern",
    "null, double, string, bool, present, list or or_match is required",
  );
}
