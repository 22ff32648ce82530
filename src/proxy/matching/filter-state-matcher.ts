import type { FilterStateMatcherJson } from "#gen/envoy/type/matcher/v3/filter_state_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { IpState, plainText } from "../filter-state/objects.ts";
import { cidrContains, compileCidr } from "./cidr.ts";
import { compileStringMatcher } from "./string-matcher.ts";

/** `envoy.type.matcher.v3.FilterStateMatcher`: what is not there never matches. */
export function compileFilterStateMatcher(
  config: FilterStateMatcherJson,
): (state: ReadonlyMap<string, unknown> | undefined) => boolean {
  const key = config.key ?? "";
  if (key === "") throw refuse("key", "must not be empty");
  const matches = compileValue(config);
  return (state) => {
    const value = state?.get(key);
    return value !== undefined && matches(value);
  };
}

function compileValue(config: FilterStateMatcherJson): (value: unknown) => boolean {
  const { stringMatch, addressMatch } = config;
  if (stringMatch !== undefined) {
    const matches = within("string_match", () => compileStringMatcher(stringMatch));
    return (value) => {
      const text = plainText(value);
      return text !== undefined && matches(text);
    };
  }
  if (addressMatch === undefined)
    throw refuse("matcher", "string_match or address_match is required");
  const ranges = within("address_match", () =>
    compileEach("ranges", addressMatch.ranges, compileCidr),
  );
  return (value) =>
    value instanceof IpState && ranges.some((range) => cidrContains(range, value.ip));
}
