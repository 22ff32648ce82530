import type {
  HeaderMatcherJson,
  QueryParameterMatcherJson,
  RouteMatchJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { MetadataMatcherJson } from "#gen/envoy/type/matcher/v3/metadata_pb.js";
import type { StringMatcherJson } from "#gen/envoy/type/matcher/v3/string_pb.js";
import type {
  HTTPMatchRequestJson,
  StringMatchJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";

/** Istio's API gives these their own fields and ignores them among the headers. */
const notHeaders: ReadonlySet<string> = new Set(["uri", "scheme", "method", "authority"]);

export function routeMatch(match: HTTPMatchRequestJson | undefined): RouteMatchJson {
  if (match === undefined) return { prefix: "/" };
  const { headers, metadata } = headerMatchers(match);
  for (const [name, value] of [
    [":method", match.method],
    [":authority", match.authority],
    [":scheme", match.scheme],
  ] as const) {
    if (value !== undefined) headers.push(headerMatcher(name, value));
  }
  const queryParameters = Object.entries(match.queryParams ?? {}).map(queryParameterMatcher);
  return {
    ...pathMatch(match.uri),
    caseSensitive: match.ignoreUriCase !== true,
    ...(headers.length > 0 && { headers }),
    ...(queryParameters.length > 0 && { queryParameters: queryParameters.sort(byName) }),
    ...(metadata.length > 0 && { dynamicMetadata: metadata }),
  };
}

/** Nothing is compared: whatever comes after it is never reached. */
export function isCatchAll(match: RouteMatchJson): boolean {
  const everyPath =
    match.prefix === "/" || match.pathSeparatedPrefix === "/" || match.safeRegex?.regex === ".*";
  return everyPath && !match.headers && !match.queryParameters && !match.dynamicMetadata;
}

function pathMatch(uri: StringMatchJson | undefined): RouteMatchJson {
  if (uri?.exact !== undefined) return { path: uri.exact };
  if (uri?.regex !== undefined) return { safeRegex: { regex: uri.regex } };
  return { prefix: uri?.prefix ?? "/" };
}

function headerMatchers({ headers = {}, withoutHeaders = {} }: HTTPMatchRequestJson): {
  readonly headers: HeaderMatcherJson[];
  readonly metadata: MetadataMatcherJson[];
} {
  const found: HeaderMatcherJson[] = [];
  const metadata: MetadataMatcherJson[] = [];
  for (const [name, match] of Object.entries(headers)) {
    const claims = jwtClaims(name);
    if (claims !== undefined) metadata.push(claimMatcher(claims, match));
    else if (!notHeaders.has(name)) found.push(headerMatcher(name, match));
  }
  for (const [name, match] of Object.entries(withoutHeaders)) {
    const claims = jwtClaims(name);
    if (claims !== undefined) metadata.push({ ...claimMatcher(claims, match), invert: true });
    else if (!notHeaders.has(name)) found.push(absentHeaderMatcher(name, match));
  }
  return { headers: found.sort(byName), metadata };
}

function absentHeaderMatcher(name: string, match: StringMatchJson): HeaderMatcherJson {
  return {
    ...headerMatcher(name, match),
    invertMatch: true,
    // Envoy refuses it beside present_match.
    ...(!isPresence(match) && { treatMissingHeaderAsEmpty: true }),
  };
}

function headerMatcher(name: string, match: StringMatchJson): HeaderMatcherJson {
  return isPresence(match)
    ? { name, presentMatch: true }
    : { name, stringMatch: stringMatcher(match) };
}

function queryParameterMatcher([name, match]: [
  string,
  StringMatchJson,
]): QueryParameterMatcherJson {
  return isPresence(match)
    ? { name, presentMatch: true }
    : { name, stringMatch: stringMatcher(match) };
}

/** `{}` asks for presence; so does the regular expression `*`, which is none. */
function isPresence({ exact, prefix, regex }: StringMatchJson): boolean {
  return (exact === undefined && prefix === undefined && regex === undefined) || regex === "*";
}

export function stringMatcher({ exact, prefix, regex }: StringMatchJson): StringMatcherJson {
  if (regex !== undefined) return { safeRegex: { regex } };
  return prefix === undefined ? { exact: exact ?? "" } : { prefix };
}

const claimsHeader = "@request.auth.claims";

/** `@request.auth.claims.group.id` or `@request.auth.claims[group][id]`: ["group", "id"]. */
function jwtClaims(header: string): readonly string[] | undefined {
  if (!header.toLowerCase().startsWith(claimsHeader)) return undefined;
  const path = header.slice(claimsHeader.length);
  if (/^\../.test(path)) return path.slice(1).split(".");
  return /^\[.+\]$/.test(path) ? path.slice(1, -1).split("][") : undefined;
}

/** A claim is a string, or a list of strings one of which matches. */
function claimMatcher(claims: readonly string[], match: StringMatchJson): MetadataMatcherJson {
  const value = isPresence(match) ? { presentMatch: true } : { stringMatch: stringMatcher(match) };
  return {
    filter: "envoy.filters.http.jwt_authn",
    path: ["payload", ...claims].map((key) => ({ key })),
    value: { orMatch: { valueMatchers: [value, { listMatch: { oneOf: value } }] } },
  };
}

function byName(a: { readonly name?: string }, b: { readonly name?: string }): number {
  const [left, right] = [a.name ?? "", b.name ?? ""];
  return left < right ? -1 : left > right ? 1 : 0;
}
