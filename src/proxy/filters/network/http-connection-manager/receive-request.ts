import { isGrpcContentType } from "#grpc/status.ts";
import type { RequestHead } from "#http/message.ts";
import { inlineRequestHeaders, joinRepeated } from "../../../inline-headers.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { ActiveStream } from "./active-stream.ts";
import { overloadedReply } from "./stream-replies.ts";

/**
 * What the connection manager does with a request's head before any filter sees it, in Envoy's order. Returns false when it has
 * answered already.
 */
export function receiveRequest(stream: ActiveStream, head: RequestHead): boolean {
  const { settings } = stream;
  if (settings.services.overload.refusing && settings.services.overload.refusesRequest()) {
    settings.stats.requestOverloadClose.inc();
    stream.reply(overloadedReply);
    return false;
  }
  joinRepeated(head.headers, inlineRequestHeaders);
  if (head.version === 10 && !settings.http1.acceptHttp10) {
    stream.reply({
      status: 426,
      details: "low_version",
      flags: ResponseFlag.downstreamProtocolError,
      close: true,
    });
    return false;
  }
  if (head.authority === "" && head.method !== "CONNECT" && head.hostMissing) {
    stream.reply({ status: 400, details: "missing_host_header", close: !settings.keepOnInvalid });
    return false;
  }
  if (settings.underscores !== "ALLOW" && !acceptUnderscores(stream, head)) return false;
  if (!acceptPath(stream, head)) return false;
  if (settings.stripPort !== "never" || settings.stripTrailingDot)
    head.authority = strippedHost(stream, head.authority);
  for (const change of settings.earlyMutations) change(head.headers, stream.info);
  settings.prepareRequest(head, stream.info);
  dropInternalHeaders(stream, head);
  if (head.upgrade !== undefined || head.method === "CONNECT") return acceptUpgrade(stream, head);
  return true;
}

/** `internal_only_headers`: not for requests from outside. */
function dropInternalHeaders({ settings }: ActiveStream, head: RequestHead): void {
  const { current } = settings.routes;
  const table = current?.scoped === undefined ? current : current.scoped(head);
  const names = table?.internalOnlyHeaders;
  if (names === undefined || names.length === 0) return;
  if (head.headers.get("x-envoy-internal") === "true") return;
  for (const name of names) head.headers.remove(name);
}

function acceptUnderscores(stream: ActiveStream, head: RequestHead): boolean {
  const { list } = head.headers;
  let found = false;
  for (let i = 0; i < list.length; i += 2) if (list[i]?.includes("_") === true) found = true;
  if (!found) return true;
  if (stream.settings.underscores === "DROP_HEADER") {
    head.headers.removeIf((name) => name.includes("_"));
    stream.services.stats.counter("http1.dropped_headers_with_underscores").inc();
    return true;
  }
  stream.services.stats.counter("http1.requests_rejected_with_underscores_in_headers").inc();
  stream.settings.stats.connectionProtocolError.inc();
  stream.reply({
    status: 400,
    body: "Bad Request",
    details: "http1.unexpected_underscore",
    flags: ResponseFlag.downstreamProtocolError,
    close: true,
  });
  return false;
}

function acceptPath(stream: ActiveStream, head: RequestHead): boolean {
  const { settings } = stream;
  if (head.method === "CONNECT" && head.path === "") return true;
  if (head.path.charCodeAt(0) !== 0x2f && (head.path !== "*" || head.version === 20)) {
    settings.stats.requestNonRelativePath.inc();
    stream.reply({ status: 404, details: "absolute_path_rejected" });
    return false;
  }
  // The codec of HTTP/1 does not let it through: RFC 9112 §3.2.
  if (head.version === 20 && head.path.includes("#")) {
    stream.reply({ status: 400, details: "path_normalization_failed" });
    return false;
  }
  if (settings.normalisePath === undefined) return true;
  const outcome = settings.normalisePath(head.path);
  if ("path" in outcome) {
    head.path = outcome.path;
    return true;
  }
  // A gRPC client does not follow redirects.
  if ("redirect" in outcome && !isGrpcContentType(head.headers.get("content-type"))) {
    settings.stats.requestRedirectedNormalizedPath.inc();
    stream.reply({
      status: 307,
      details: "path_normalization_failed",
      headers: [["location", outcome.redirect]],
    });
    return false;
  }
  settings.stats.requestFailedPathNormalization.inc();
  stream.reply({ status: 400, details: "path_normalization_failed", close: true });
  return false;
}

function strippedHost(stream: ActiveStream, authority: string): string {
  const { stripPort, stripTrailingDot } = stream.settings;
  const colon = authority.lastIndexOf(":");
  const hasPort = colon !== -1 && /^:\d+$/.test(authority.slice(colon));
  const port = hasPort ? authority.slice(colon + 1) : "";
  let host = hasPort ? authority.slice(0, colon) : authority;
  if (stripTrailingDot && host.endsWith(".")) host = host.slice(0, -1);
  const drop =
    stripPort === "any" ||
    (stripPort === "matching" && port === String(stream.info.downstream.local.port));
  return hasPort && !drop ? `${host}:${port}` : host;
}

/** Off unless the connection manager or the route turns the type on. */
function acceptUpgrade(stream: ActiveStream, head: RequestHead): boolean {
  const type = head.method === "CONNECT" ? "connect" : (head.upgrade ?? "").toLowerCase();
  const { route } = stream;
  const byRoute = route?.kind === "forward" ? route.upgradeEnabled(type) : undefined;
  // Without a route the answer is 404 by the router, whatever the upgrade.
  if (route === undefined || (byRoute ?? stream.settings.upgrades.get(type) ?? false)) return true;
  stream.settings.stats.requestWsOnNonWsRoute.inc();
  stream.reply({ status: 403, details: "upgrade_failed" });
  return false;
}
