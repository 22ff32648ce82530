import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import type { RouteMatchJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { compileFilterStateMatcher } from "../matching/filter-state-matcher.ts";
import { compileHeaderMatchers } from "../matching/header-matcher.ts";
import { compileMetadataMatcher } from "../matching/metadata-matcher.ts";
import { compileQueryMatchers } from "../matching/query-parameters.ts";
import { compileRegex } from "../matching/regex.ts";
import { compileUriTemplate, type UriTemplate } from "../matching/uri-template.ts";
import { compileRuntimeFraction } from "../runtime-fraction.ts";
import type { Services } from "../services.ts";
import type { RouteInput } from "./route.ts";

/** How a route's path is matched, for matching, indexing and prefix rewriting. Paths are without query. */
export interface PathSpecifier {
  readonly kind: "prefix" | "path" | "regex" | "segments" | "connect" | "template";
  /** The literal of prefix, path and segments; "" otherwise. */
  readonly text: string;
  readonly caseSensitive: boolean;
  /** Of a `path_match_policy`, for `path_rewrite_policy`. */
  readonly template?: UriTemplate;
  matches(path: string): boolean;
  /** How much of a matching path `prefix_rewrite` replaces. */
  matchedLength(path: string): number;
}

/** Everything but the path; undefined: nothing else is asked. */
export type Condition = (input: RouteInput) => boolean;

/** Path and query with its "?"; "" when there is none. A fragment cannot be here: the connection manager refused it. */
export function splitQuery(full: string): readonly [path: string, query: string] {
  const question = full.indexOf("?");
  return question === -1 ? [full, ""] : [full.slice(0, question), full.slice(question)];
}

export function compilePathSpecifier(match: RouteMatchJson): PathSpecifier {
  const caseSensitive = match.caseSensitive ?? true;
  const fold = caseSensitive
    ? (raw: string): string => raw
    : (raw: string): string => raw.toLowerCase();
  if (match.path !== undefined) {
    const text = fold(match.path);
    return {
      kind: "path",
      text,
      caseSensitive,
      matches: (path) => fold(path) === text,
      matchedLength: (path) => path.length,
    };
  }
  if (match.pathSeparatedPrefix !== undefined) {
    const text = fold(match.pathSeparatedPrefix);
    const matches = (path: string): boolean => {
      const folded = fold(path);
      return (
        folded.startsWith(text) &&
        (folded.length === text.length || folded.charCodeAt(text.length) === 0x2f)
      );
    };
    return { kind: "segments", text, caseSensitive, matches, matchedLength: () => text.length };
  }
  if (match.safeRegex !== undefined) {
    const { regex } = match.safeRegex;
    const compiled = within("safe_regex", () => compileRegex(regex ?? ""));
    return {
      kind: "regex",
      text: "",
      caseSensitive,
      matches: (path) => compiled.matches(path),
      matchedLength: (path) => path.length,
    };
  }
  const { pathMatchPolicy } = match;
  if (pathMatchPolicy !== undefined)
    return within("path_match_policy", () => compileTemplate(pathMatchPolicy, caseSensitive));
  if (match.connectMatcher !== undefined)
    return {
      kind: "connect",
      text: "",
      caseSensitive,
      matches: () => true,
      matchedLength: () => 0,
    };
  if (match.prefix === undefined)
    throw refuse(
      "path_specifier",
      "prefix, path, safe_regex, path_separated_prefix or connect_matcher is required",
    );
  const text = fold(match.prefix);
  return {
    kind: "prefix",
    text,
    caseSensitive,
    matches: (path) => fold(path).startsWith(text),
    matchedLength: () => text.length,
  };
}

const templateType =
  "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";

function compileTemplate(
  { typedConfig }: TypedExtensionConfigJson,
  caseSensitive: boolean,
): PathSpecifier {
  const config = typedConfig as
    | { readonly "@type"?: string; readonly pathTemplate?: string }
    | undefined;
  if (config?.["@type"] !== templateType)
    throw refuse("typed_config", `${String(config?.["@type"])} is not supported`);
  const template = within("typed_config", () => compileUriTemplate(config.pathTemplate ?? ""));
  return {
    kind: "template",
    text: "",
    caseSensitive,
    template,
    matches: (path) => template.matches(path),
    matchedLength: (path) => path.length,
  };
}

export function compileCondition(match: RouteMatchJson, services: Services): Condition | undefined {
  const conditions: Condition[] = [];
  const { runtimeFraction, tlsContext } = match;
  if (match.connectMatcher !== undefined) conditions.push(({ head }) => head.method === "CONNECT");
  for (const matches of compileHeaderMatchers(match.headers))
    conditions.push(({ head }) => matches(head));
  for (const matches of compileQueryMatchers(match.queryParameters))
    conditions.push(({ head }) => matches(head.path));
  if (match.grpc !== undefined)
    conditions.push(({ head }) => isGrpc(head.headers.get("content-type")));
  if (runtimeFraction !== undefined) {
    const falls = compileRuntimeFraction(runtimeFraction, services.runtime);
    conditions.push(({ draw }) => falls(draw));
  }
  if (tlsContext?.presented !== undefined) {
    const wanted = tlsContext.presented;
    conditions.push(({ info }) => (info.downstream.tls?.peerPresented ?? false) === wanted);
  }
  if (tlsContext?.validated !== undefined) {
    const wanted = tlsContext.validated;
    conditions.push(({ info }) => (info.downstream.tls?.peerValidated ?? false) === wanted);
  }
  for (const matches of compileEach(
    "dynamic_metadata",
    match.dynamicMetadata,
    compileMetadataMatcher,
  ))
    conditions.push(({ info }) => matches(info.dynamicMetadata));
  for (const matches of compileEach("filter_state", match.filterState, compileFilterStateMatcher))
    conditions.push(({ info }) => matches(info.filterState));
  if (conditions.length === 0) return undefined;
  if (conditions.length === 1) return conditions[0];
  return (input) => conditions.every((holds) => holds(input));
}

/** "application/grpc" and "application/grpc+anything". */
export function isGrpc(contentType: string | undefined): boolean {
  return (
    contentType?.startsWith("application/grpc") === true &&
    (contentType.length === 16 || contentType.charCodeAt(16) === 0x2b)
  );
}
