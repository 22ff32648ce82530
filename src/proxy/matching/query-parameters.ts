import type { QueryParameterMatcherJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { within } from "#lib/config-error.ts";
import { compileStringMatcher } from "./string-matcher.ts";

export type QueryPredicate = (path: string) => boolean;

/** The first value of a parameter in a path with a query, as written: Envoy decodes nothing here. Undefined: not there. */
export function queryParameter(path: string, name: string): string | undefined {
  const question = path.indexOf("?");
  if (question === -1) return undefined;
  for (const pair of path.slice(question + 1).split("&")) {
    const equals = pair.indexOf("=");
    if ((equals === -1 ? pair : pair.slice(0, equals)) === name)
      return equals === -1 ? "" : pair.slice(equals + 1);
  }
  return undefined;
}

export function compileQueryMatchers(
  configs: readonly QueryParameterMatcherJson[] | undefined,
): QueryPredicate[] {
  return (configs ?? []).map((config, index) =>
    within(`query_parameters[${index}]`, () => compileQueryMatcher(config)),
  );
}

function compileQueryMatcher(config: QueryParameterMatcherJson): QueryPredicate {
  const name = config.name ?? "";
  const { stringMatch } = config;
  if (stringMatch === undefined) {
    const wanted = config.presentMatch ?? true;
    return (path) => (queryParameter(path, name) !== undefined) === wanted;
  }
  const matches = within("string_match", () => compileStringMatcher(stringMatch));
  return (path) => {
    const value = queryParameter(path, name);
    return value !== undefined && matches(value);
  };
}
