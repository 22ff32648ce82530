import type { QueryParameterMatcherJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { within } from "#lib/config-error.ts";
import { byteText } from "./byte-text.ts";
import { compileStringMatcher } from "./string-matcher.ts";

export type QueryPredicate = (path: string) => boolean;

/** The first value of a parameter in a path with a query, as written: Envoy decodes nothing here. Undefined: not there. */
export function queryParameter(path: string, name: string): string | undefined {
  let start = path.indexOf("?") + 1;
  if (start === 0) return undefined;
  for (;;) {
    const ampersand = path.indexOf("&", start);
    const end = ampersand === -1 ? path.length : ampersand;
    if (path.startsWith(name, start)) {
      const after = start + name.length;
      if (after === end) return "";
      if (after < end && path.charCodeAt(after) === 0x3d /* = */) return path.slice(after + 1, end);
    }
    if (ampersand === -1) return undefined;
    start = ampersand + 1;
  }
}

/** The same with names and values decoded, as Envoy's rate limits see them. */
export function decodedQueryParameter(path: string, name: string): string | undefined {
  const start = path.indexOf("?") + 1;
  if (start === 0) return undefined;
  for (const pair of path.slice(start).split("&")) {
    const equals = pair.indexOf("=");
    if (percentDecode(equals === -1 ? pair : pair.slice(0, equals)) !== name) continue;
    return equals === -1 ? "" : percentDecode(pair.slice(equals + 1));
  }
  return undefined;
}

/** A byte for each character; what is no %XX stays as it is. */
function percentDecode(text: string): string {
  if (!text.includes("%")) return text;
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

export function compileQueryMatchers(
  configs: readonly QueryParameterMatcherJson[] | undefined,
  read: (path: string, name: string) => string | undefined = queryParameter,
): QueryPredicate[] {
  return (configs ?? []).map((config, index) =>
    within(`query_parameters[${index}]`, () => compileQueryMatcher(config, read)),
  );
}

function compileQueryMatcher(
  config: QueryParameterMatcherJson,
  read: (path: string, name: string) => string | undefined,
): QueryPredicate {
  const name = byteText(config.name ?? "");
  const { stringMatch } = config;
  if (stringMatch === undefined) {
    const wanted = config.presentMatch ?? true;
    return (path) => (read(path, name) !== undefined) === wanted;
  }
  const matches = within("string_match", () => compileStringMatcher(stringMatch));
  return (path) => {
    const value = read(path, name);
    return value !== undefined && matches(value);
  };
}
