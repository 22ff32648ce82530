import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { ClusterStats } from "../../../cluster/cluster-stats.ts";
import type { ForwardAction } from "../../../route/route.ts";
import type { Counter, StatsScope } from "../../../stats/stats.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";
import type { Replay } from "./replay.ts";

/** Why a redirect went to the client although its code was one to follow. */
export class RedirectCounters {
  readonly badLocation: Counter;
  readonly noRoute: Counter;
  readonly predicate: Counter;
  readonly tooMany: Counter;
  readonly unsafeScheme: Counter;

  constructor(scope: StatsScope) {
    const counter = (name: string): Counter =>
      scope.counter(`passthrough_internal_redirect_${name}`);
    this.badLocation = counter("bad_location");
    this.noRoute = counter("no_route");
    this.predicate = counter("predicate");
    this.tooMany = counter("too_many_redirects");
    this.unsafeScheme = counter("unsafe_scheme");
  }
}

export interface RedirectParts {
  readonly stream: ActiveStream;
  readonly route: ForwardAction;
  readonly counters: RedirectCounters;
  readonly stats: ClusterStats | undefined;
  readonly replay: Replay | undefined;
}

/**
 * Whether the upstream's redirect is followed here instead of by the client: then the request's head has been changed to its target,
 * and this is the body to send with it. Only a request that was read whole and kept whole can be sent again.
 */
export function followRedirect(
  parts: RedirectParts,
  head: ResponseHead,
): readonly Uint8Array[] | undefined {
  const { stream, route, stats } = parts;
  const policy = route.internalRedirect;
  if (policy === undefined || !policy.codes.has(head.status)) return undefined;
  const body = parts.replay === undefined ? none : parts.replay.body;
  if (body === undefined || !stream.requestEnded || !takeTarget(parts, head)) {
    stats?.internalRedirectFailed.inc();
    return undefined;
  }
  stats?.internalRedirectSucceeded.inc();
  stream.info.responseCodeDetails = "internal_redirect";
  return becomesGet(stream.request, head.status) ? none : body;
}

const none: readonly Uint8Array[] = [];

/** RFC 9110 §15.4.4: what is behind 303 is to be got. */
function becomesGet(request: RequestHead, status: number): boolean {
  if (status !== 303 || request.method === "GET" || request.method === "HEAD") return false;
  request.method = "GET";
  request.headers.remove("content-length");
  request.headers.remove("transfer-encoding");
  return true;
}

function takeTarget(parts: RedirectParts, head: ResponseHead): boolean {
  const { stream, route, counters } = parts;
  const policy = route.internalRedirect;
  if (policy === undefined) return false;
  const target = parseLocation(head.headers.get("location"));
  if (target === undefined) {
    counters.badLocation.inc();
    return false;
  }
  const { redirects, request } = stream;
  const downstreamSecure = request.scheme === "https";
  const targetSecure = target.scheme === "https";
  if (
    target.scheme === "other" ||
    (targetSecure !== downstreamSecure && !policy.allowCrossScheme)
  ) {
    counters.unsafeScheme.inc();
    return false;
  }
  if (redirects.count >= policy.maxRedirects) {
    counters.tooMany.inc();
    return false;
  }
  const before = { path: request.path, authority: request.authority, scheme: request.scheme };
  const back = (counter: Counter): false => {
    Object.assign(request, before);
    stream.clearRoute();
    counter.inc();
    return false;
  };
  Object.assign(request, target);
  stream.clearRoute();
  const next = target.path.startsWith("/") ? stream.route : undefined;
  if (next === undefined) return back(counters.noRoute);
  // Envoy too remembers the way by the route that redirects.
  const way = `${route.name}\0${next.name}`;
  const taken = redirects.taken.has(way);
  if (!policy.allows({ targetName: next.name, taken, downstreamSecure, targetSecure }))
    return back(counters.predicate);
  redirects.count++;
  redirects.taken.add(way);
  request.headers.set(
    "x-envoy-original-url",
    `${before.scheme}://${before.authority}${before.path}`,
  );
  for (const name of policy.responseHeadersToCopy) {
    const value = head.headers.get(name);
    if (value === undefined) request.headers.remove(name);
    else request.headers.set(name, value);
  }
  return true;
}

const location = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#@\s]*@)?([^/?#@\s]+)([^#\s]*)(?:#\S*)?$/i;

interface Target {
  readonly scheme: "http" | "https" | "other";
  readonly authority: string;
  readonly path: string;
}

/** As Envoy, only a whole URL. Userinfo and fragment are not sent (RFC 9110 §4.2.4, §7.1). */
function parseLocation(text: string | undefined): Target | undefined {
  const match = location.exec(text ?? "");
  if (match === null) return undefined;
  const [, scheme = "", authority = "", path = ""] = match;
  const lower = scheme.toLowerCase();
  return {
    scheme: lower === "http" || lower === "https" ? lower : "other",
    authority,
    path: path === "" ? "/" : path,
  };
}
