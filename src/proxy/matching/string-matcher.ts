import type {
  ListStringMatcherJson,
  StringMatcherJson,
} from "#gen/envoy/type/matcher/v3/string_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { compileRegex } from "./regex.ts";

export type StringPredicate = (text: string) => boolean;

/** `envoy.type.matcher.v3.StringMatcher`. `ignore_case` has no effect on regular expressions, as in Envoy. */
export function compileStringMatcher(config: StringMatcherJson): StringPredicate {
  const fold = config.ignoreCase === true;
  const of = (text: string): string => (fold ? text.toLowerCase() : text);
  if (config.exact !== undefined) {
    const exact = of(config.exact);
    return fold ? (text) => text.toLowerCase() === exact : (text) => text === exact;
  }
  if (config.prefix !== undefined) {
    const prefix = of(config.prefix);
    return fold
      ? (text) => text.toLowerCase().startsWith(prefix)
      : (text) => text.startsWith(prefix);
  }
  if (config.suffix !== undefined) {
    const suffix = of(config.suffix);
    return fold ? (text) => text.toLowerCase().endsWith(suffix) : (text) => text.endsWith(suffix);
  }
  if (config.contains !== undefined) {
    const part = of(config.contains);
    return fold ? (text) => text.toLowerCase().includes(part) : (text) => text.includes(part);
  }
  if (config.safeRegex !== undefined) {
    const { regex } = config.safeRegex;
    const compiled = within("safe_regex", () => compileRegex(regex ?? ""));
    return (text) => compiled.matches(text);
  }
  throw refuse("match_pattern", "exact, prefix, suffix, contains or safe_regex is required");
}

export function compileStringMatchers(config: ListStringMatcherJson | undefined): StringPredicate {
  const matchers = (config?.patterns ?? []).map(compileStringMatcher);
  return (text) => matchers.some((matches) => matches(text));
}
