import type {
  ListStringMatcherJson,
  StringMatcherJson,
} from "#gen/envoy/type/matcher/v3/string_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { byteText, lowerAscii } from "./byte-text.ts";
import { compileRegex } from "./regex.ts";

/** Of a byte string, as message heads have them. */
export type StringPredicate = (text: string) => boolean;

/** `envoy.type.matcher.v3.StringMatcher`. */
export function compileStringMatcher(config: StringMatcherJson): StringPredicate {
  const { safeRegex } = config;
  if (safeRegex !== undefined) {
    // As in Envoy: a pattern says itself what case means.
    if (config.ignoreCase === true)
      throw refuse("ignore_case", "ignore_case has no effect for safe_regex.");
    const compiled = within("safe_regex", () => compileRegex(safeRegex.regex ?? ""));
    return (text) => compiled.matches(text);
  }
  if (config.ignoreCase !== true) return compilePart(config);
  const matches = compilePart(folded(config));
  return (text) => matches(lowerAscii(text));
}

export function compileStringMatchers(config: ListStringMatcherJson | undefined): StringPredicate {
  const matchers = compileEach("patterns", config?.patterns, compileStringMatcher);
  return (text) => matchers.some((matches) => matches(text));
}

function compilePart(config: StringMatcherJson): StringPredicate {
  if (config.exact !== undefined) {
    const exact = byteText(config.exact);
    return (text) => text === exact;
  }
  if (config.prefix !== undefined) {
    const prefix = byteText(config.prefix);
    return (text) => text.startsWith(prefix);
  }
  if (config.suffix !== undefined) {
    const suffix = byteText(config.suffix);
    return (text) => text.endsWith(suffix);
  }
  if (config.contains !== undefined) {
    const part = byteText(config.contains);
    return (text) => text.includes(part);
  }
  throw refuse("match_pattern", "exact, prefix, suffix, contains or safe_regex is required");
}

function folded(config: StringMatcherJson): StringMatcherJson {
  const { exact, prefix, suffix, contains } = config;
  if (exact !== undefined) return { exact: lowerAscii(exact) };
  if (prefix !== undefined) return { prefix: lowerAscii(prefix) };
  if (suffix !== undefined) return { suffix: lowerAscii(suffix) };
  return contains === undefined ? {} : { contains: lowerAscii(contains) };
}
