import type { RedirectActionJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RequestHead } from "#http/message.ts";
import { type PathSpecifier, splitQuery } from "./match.ts";
import { compileSubstitution, prefixRewriter } from "./rewrite.ts";

const statuses: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

export function redirectStatus(config: RedirectActionJson): number {
  return statuses[String(config.responseCode ?? "MOVED_PERMANENTLY")] ?? 301;
}

/** The Location of a redirect: what the action does not replace is the request's own. */
export function compileLocation(
  config: RedirectActionJson,
  specifier: PathSpecifier,
): (head: RequestHead) => string {
  const path = compilePath(config, specifier);
  return (head) => {
    const scheme =
      config.httpsRedirect === true
        ? "https"
        : config.schemeRedirect === undefined || config.schemeRedirect === ""
          ? head.scheme
          : config.schemeRedirect;
    return `${scheme}://${hostOf(config, head, scheme)}${path(head.path)}`;
  };
}

function hostOf(config: RedirectActionJson, head: RequestHead, scheme: string): string {
  const { authority } = head;
  const colon = authority.lastIndexOf(":");
  const hasPort = colon > authority.lastIndexOf("]") && colon !== -1;
  const name = hasPort ? authority.slice(0, colon) : authority;
  const port = hasPort ? authority.slice(colon + 1) : "";
  const host =
    config.hostRedirect === undefined || config.hostRedirect === ""
      ? undefined
      : config.hostRedirect;
  const configured = config.portRedirect;
  if (configured !== undefined && configured !== 0) return `${host ?? name}:${configured}`;
  if (host !== undefined) return host;
  // The old scheme's default port says nothing under the new one.
  const stale =
    (scheme === "https" && head.scheme === "http" && port === "80") ||
    (scheme === "http" && head.scheme === "https" && port === "443");
  return hasPort && !stale ? authority : name;
}

function compilePath(
  config: RedirectActionJson,
  specifier: PathSpecifier,
): (path: string) => string {
  const strip = config.stripQuery === true;
  const finish = (path: string): string => (strip ? splitQuery(path)[0] : path);
  if (config.pathRedirect !== undefined && config.pathRedirect !== "") {
    const target = config.pathRedirect;
    return (full) => (target.includes("?") || strip ? target : target + splitQuery(full)[1]);
  }
  if (config.prefixRewrite !== undefined && config.prefixRewrite !== "") {
    const rewrite = prefixRewriter(specifier, config.prefixRewrite);
    return (full) => finish(rewrite(full));
  }
  if (config.regexRewrite !== undefined) {
    const substitute = compileSubstitution("regex_rewrite", config.regexRewrite);
    return (full) => {
      const [path, query] = splitQuery(full);
      return finish(substitute(path) + query);
    };
  }
  return finish;
}
