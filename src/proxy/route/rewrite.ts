import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import type { RouteActionJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RegexMatchAndSubstituteJson } from "#gen/envoy/type/matcher/v3/regex_pb.js";
import type { RequestHead } from "#http/message.ts";
import { refuse, within } from "#lib/config-error.ts";
import { byteText } from "../matching/byte-text.ts";
import { compileRegex } from "../matching/regex.ts";
import { compileUriTemplateRewrite } from "../matching/uri-template.ts";
import type { StreamInfo } from "../stream-info.ts";
import { type PathSpecifier, splitQuery } from "./match.ts";

export type Rewrite = (head: RequestHead, info: StreamInfo) => void;

export function compileSubstitution(
  path: string,
  config: RegexMatchAndSubstituteJson,
): (text: string) => string {
  const regex = within(`${path}.pattern`, () => compileRegex(config.pattern?.regex ?? ""));
  const substitution = byteText(config.substitution ?? "");
  return (text) => regex.replaceAll(text, substitution);
}

/** The path with its matched part replaced; the query stays. A regex route's whole path counts as matched. */
export function prefixRewriter(
  specifier: PathSpecifier,
  replacement: string,
): (path: string) => string {
  return (full) => {
    const [path, query] = splitQuery(full);
    return replacement + path.slice(specifier.matchedLength(path)) + query;
  };
}

/** Path, then host; undefined when the action rewrites nothing. */
export function compileRewrite(
  action: RouteActionJson,
  specifier: PathSpecifier,
  hostLiteral: string | undefined,
): Rewrite | undefined {
  const parts = [
    compilePathRewrite(action, specifier),
    // As in Envoy: a weighted cluster's, and then the route's over it.
    authoritySetter(hostLiteral),
    hostRewriter(hostSource(action), action),
  ].filter((part) => part !== undefined);
  if (parts.length === 0) return undefined;
  return (head, info) => {
    for (const part of parts) part(head, info);
  };
}

function compilePathRewrite(
  action: RouteActionJson,
  specifier: PathSpecifier,
): Rewrite | undefined {
  let rewritten: ((path: string) => string) | undefined;
  if (action.prefixRewrite !== undefined && action.prefixRewrite !== "")
    rewritten = prefixRewriter(specifier, action.prefixRewrite);
  else if (action.regexRewrite !== undefined) {
    const substitute = compileSubstitution("regex_rewrite", action.regexRewrite);
    rewritten = (full) => {
      const [path, query] = splitQuery(full);
      return substitute(path) + query;
    };
  }
  const { pathRewritePolicy } = action;
  if (pathRewritePolicy !== undefined) {
    if (rewritten !== undefined)
      throw refuse(
        "path_rewrite_policy",
        "only one of prefix_rewrite, regex_rewrite or path_rewrite_policy",
      );
    rewritten = within("path_rewrite_policy", () => templateRewriter(pathRewritePolicy, specifier));
  }
  if (rewritten === undefined) return undefined;
  const rewrite = rewritten;
  return (head) => {
    head.headers.set("x-envoy-original-path", head.path);
    head.path = rewrite(head.path);
  };
}

const rewriteType =
  "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig";

function templateRewriter(
  { typedConfig }: TypedExtensionConfigJson,
  { template }: PathSpecifier,
): (path: string) => string {
  const config = typedConfig as
    | { readonly "@type"?: string; readonly pathTemplateRewrite?: string }
    | undefined;
  if (config?.["@type"] !== rewriteType)
    throw refuse("typed_config", `${String(config?.["@type"])} is not supported`);
  if (template === undefined)
    throw refuse("", "a uri_template rewrite needs a uri_template in path_match_policy");
  const rewrite = within("typed_config", () =>
    compileUriTemplateRewrite(config.pathTemplateRewrite ?? "", template),
  );
  return (full) => {
    const [path, query] = splitQuery(full);
    // A filter may have changed the path since it matched.
    return (rewrite(path) ?? path) + query;
  };
}

type HostSource = (head: RequestHead) => string | undefined;

/** As in Envoy, x-envoy-original-host does not tell of a weighted cluster's rewrite. */
function authoritySetter(literal: string | undefined): Rewrite | undefined {
  if (literal === undefined || literal === "") return undefined;
  return (head) => {
    head.authority = literal;
  };
}

function hostRewriter(host: HostSource | undefined, action: RouteActionJson): Rewrite | undefined {
  if (host === undefined) return undefined;
  const appendForwarded = action.appendXForwardedHost === true;
  return (head) => {
    const next = host(head);
    if (next === undefined || next === "" || next === head.authority) return;
    if (appendForwarded) appendForwardedHost(head);
    head.headers.set("x-envoy-original-host", head.authority);
    head.authority = next;
  };
}

function hostSource(action: RouteActionJson): HostSource | undefined {
  const literal = action.hostRewriteLiteral;
  if (literal !== undefined && literal !== "") return () => literal;
  if (action.hostRewriteHeader !== undefined && action.hostRewriteHeader !== "") {
    const name = action.hostRewriteHeader.toLowerCase();
    return (head) => head.get(name);
  }
  if (action.hostRewritePathRegex !== undefined) {
    const substitute = compileSubstitution("host_rewrite_path_regex", action.hostRewritePathRegex);
    return (head) => substitute(splitQuery(head.path)[0]);
  }
  return undefined;
}

export function appendForwardedHost(head: RequestHead): void {
  const before = head.headers.get("x-forwarded-host");
  head.headers.set(
    "x-forwarded-host",
    before === undefined ? head.authority : `${before},${head.authority}`,
  );
}
