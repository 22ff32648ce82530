import type { ResponseHead } from "#http/message.ts";
import type { ClusterStats } from "../../../cluster/cluster-stats.ts";
import type { ForwardAction, Route } from "../../../route/route.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";

/**
 * Whether the upstream's redirect is followed here instead of by the client. When true, the request's head has been changed to its
 * target. Only requests that were read whole and had no body can be sent again.
 */
export function followRedirect(
  stream: ActiveStream,
  route: ForwardAction,
  head: ResponseHead,
  stats: ClusterStats | undefined,
): boolean {
  const policy = route.internalRedirect;
  if (policy === undefined || !policy.codes.has(head.status)) return false;
  const followed = tryFollow(stream, route, head);
  if (followed) stats?.internalRedirectSucceeded.inc();
  else stats?.internalRedirectFailed.inc();
  return followed;
}

function tryFollow(stream: ActiveStream, route: ForwardAction, head: ResponseHead): boolean {
  const policy = route.internalRedirect;
  const target = parseLocation(stream, head.headers.get("location"));
  if (policy === undefined || target === undefined) return false;
  const { redirects, request } = stream;
  if (
    redirects.count >= policy.maxRedirects ||
    !stream.requestEnded ||
    stream.info.bytesReceived > 0
  )
    return false;
  const before = { path: request.path, authority: request.authority, scheme: request.scheme };
  const downstreamSecure = stream.info.downstream.tls !== undefined;
  const targetSecure = target.scheme === "https";
  if (targetSecure !== downstreamSecure && !policy.allowCrossScheme) return false;
  Object.assign(request, target);
  stream.clearRoute();
  const next: Route | undefined = stream.route;
  const allowed =
    next !== undefined &&
    policy.allows({
      target: next,
      targetName: next.name,
      previousNames: redirects.names,
      downstreamSecure,
      targetSecure,
    });
  if (!allowed) {
    Object.assign(request, before);
    stream.clearRoute();
    return false;
  }
  redirects.count++;
  redirects.names.push(route.name);
  request.headers.set(
    "x-envoy-original-url",
    `${before.scheme}://${before.authority}${before.path}`,
  );
  for (const name of policy.responseHeadersToCopy) {
    const value = head.headers.get(name);
    if (value === undefined) request.headers.remove(name);
    else request.headers.set(name, value);
  }
  if (head.status === 303 && request.method !== "GET" && request.method !== "HEAD")
    request.method = "GET";
  return true;
}

function parseLocation(
  stream: ActiveStream,
  location: string | undefined,
): { path: string; authority: string; scheme: "http" | "https" } | undefined {
  if (location === undefined || location === "") return undefined;
  const absolute = /^(https?):\/\/([^/?#]+)([^#]*)/i.exec(location);
  if (absolute !== null) {
    const path = absolute[3] ?? "";
    return {
      scheme: absolute[1]?.toLowerCase() === "https" ? "https" : "http",
      authority: absolute[2] ?? "",
      path: path.startsWith("/") ? path : `/${path}`,
    };
  }
  if (!location.startsWith("/")) return undefined;
  return {
    scheme: stream.request.scheme,
    authority: stream.request.authority,
    path: location.replace(/#.*$/, ""),
  };
}
