import type { HeaderMatcherJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { HeaderList } from "#http/headers.ts";
import { within } from "#lib/config-error.ts";
import { inlineRequestHeaders } from "../inline-headers.ts";
import { compileRegex } from "./regex.ts";
import { compileStringMatcher, type StringPredicate } from "./string-matcher.ts";

/** A request or response head. */
export interface MatchedMessage {
  get(name: string): string | undefined;
  readonly headers: HeaderList;
}

export type HeaderPredicate = (message: MatchedMessage) => boolean;

/** `envoy.config.route.v3.HeaderMatcher`. A missing field never matches, inverted or not, unless it is treated as empty. */
export function compileHeaderMatcher(config: HeaderMatcherJson): HeaderPredicate {
  const name = (config.name ?? "").toLowerCase();
  const invert = config.invertMatch === true;
  if (config.presentMatch !== undefined || !hasValueMatch(config))
    return presence(name, (config.presentMatch ?? true) !== invert);
  const matches = compileValueMatch(config);
  const absent = config.treatMissingHeaderAsEmpty === true ? matches("") !== invert : false;
  return (message) => {
    const first = message.get(name);
    if (first === undefined) return absent;
    return anyValue(message, name, first, matches) !== invert;
  };
}

export function compileHeaderMatchers(
  configs: readonly HeaderMatcherJson[] | undefined,
): HeaderPredicate[] {
  return (configs ?? []).map((config, index) =>
    within(`headers[${index}]`, () => compileHeaderMatcher(config)),
  );
}

function presence(name: string, wanted: boolean): HeaderPredicate {
  return (message) => (message.get(name) !== undefined) === wanted;
}

function anyValue(
  message: MatchedMessage,
  name: string,
  first: string,
  matches: StringPredicate,
): boolean {
  if (name.startsWith(":") || name === "host") return matches(first);
  const { list } = message.headers;
  let values: string[] | undefined;
  let seen = 0;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== name) continue;
    if (++seen === 1) continue;
    values ??= [first];
    values.push(list[i + 1] ?? "");
  }
  if (values === undefined) return matches(first);
  return inlineRequestHeaders.has(name) ? matches(values.join(",")) : values.some(matches);
}

function hasValueMatch(config: HeaderMatcherJson): boolean {
  return (
    config.exactMatch !== undefined ||
    config.safeRegexMatch !== undefined ||
    config.rangeMatch !== undefined ||
    config.prefixMatch !== undefined ||
    config.suffixMatch !== undefined ||
    config.containsMatch !== undefined ||
    config.stringMatch !== undefined
  );
}

function compileValueMatch(config: HeaderMatcherJson): StringPredicate {
  if (config.stringMatch !== undefined) {
    const { stringMatch } = config;
    return within("string_match", () => compileStringMatcher(stringMatch));
  }
  if (config.exactMatch !== undefined) return compileStringMatcher({ exact: config.exactMatch });
  if (config.prefixMatch !== undefined) return compileStringMatcher({ prefix: config.prefixMatch });
  if (config.suffixMatch !== undefined) return compileStringMatcher({ suffix: config.suffixMatch });
  if (config.containsMatch !== undefined)
    return compileStringMatcher({ contains: config.containsMatch });
  if (config.safeRegexMatch !== undefined) {
    const { regex } = config.safeRegexMatch;
    const compiled = within("safe_regex_match", () => compileRegex(regex ?? ""));
    return (text) => compiled.matches(text);
  }
  const start = Number(config.rangeMatch?.start ?? 0);
  const end = Number(config.rangeMatch?.end ?? 0);
  return (text) => {
    if (!/^[+-]?\d+$/.test(text)) return false;
    const value = Number(text);
    return value >= start && value < end;
  };
}
