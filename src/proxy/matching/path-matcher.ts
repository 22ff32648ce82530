import type { StringMatcherJson } from "#gen/envoy/type/matcher/v3/string_pb.js";
import { byteText } from "./byte-text.ts";
import { compileStringMatcher } from "./string-matcher.ts";

/** Of a request target up to `end`, where its query begins: no copy of the path is made for the usual matchers. */
export type PathPredicate = (target: string, end: number) => boolean;

/** Where the path of a request target ends. */
export function pathEnd(target: string): number {
  const query = target.indexOf("?");
  const fragment = target.indexOf("#");
  if (query === -1) return fragment === -1 ? target.length : fragment;
  return fragment === -1 || query < fragment ? query : fragment;
}

/** `envoy.type.matcher.v3.PathMatcher`'s string matcher. */
export function compilePathMatcher(config: StringMatcherJson): PathPredicate {
  const whole = compileStringMatcher(config);
  const { exact, prefix, suffix } = config;
  if (config.ignoreCase !== true) {
    if (exact !== undefined) return isExactly(byteText(exact));
    if (prefix !== undefined) return startsWith(byteText(prefix));
    if (suffix !== undefined) {
      const text = byteText(suffix);
      return (target, end) => target.endsWith(text, end);
    }
  }
  return (target, end) => whole(end === target.length ? target : target.slice(0, end));
}

function isExactly(text: string): PathPredicate {
  return (target, end) => end === text.length && target.startsWith(text);
}

function startsWith(text: string): PathPredicate {
  return (target, end) => end >= text.length && target.startsWith(text);
}
