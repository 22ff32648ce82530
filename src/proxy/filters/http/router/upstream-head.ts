import type { RequestHead } from "#http/message.ts";
import type { Host } from "../../../cluster/host.ts";
import type { ForwardAction } from "../../../route/route.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { RouterSettings } from "./router.ts";

export interface UpstreamHeadParts {
  readonly route: ForwardAction;
  readonly head: RequestHead;
  readonly info: StreamInfo;
  /** What the upstream may take for this attempt; 0: as long as it likes. */
  readonly expectedMs: number;
}

/** What the router changes in a request's head, in Envoy's order. */
export function prepareUpstreamHead(parts: UpstreamHeadParts, settings: RouterSettings): void {
  const { route, head, info, expectedMs } = parts;
  const { headers } = head;
  if (settings.envoyHeaders && expectedMs > 0)
    headers.set("x-envoy-expected-rq-timeout-ms", String(Math.round(expectedMs)));
  if (route.includeAttemptCountRequest) headers.set("x-envoy-attempt-count", "1");
  if (route.headers?.changesRequest === true) route.headers.request(head, info);
  route.rewrite?.(head, info);
  if (!settings.envoyHeaders) {
    headers.remove("x-envoy-original-path");
    headers.remove("x-envoy-original-host");
  }
}

/** Before each attempt after the first. */
export function prepareAnotherAttempt(
  parts: UpstreamHeadParts & { readonly afterTimeout: boolean },
  settings: RouterSettings,
): void {
  const { route, head, info, expectedMs } = parts;
  const { headers } = head;
  if (settings.envoyHeaders && expectedMs > 0)
    headers.set("x-envoy-expected-rq-timeout-ms", String(Math.round(expectedMs)));
  if (route.includeAttemptCountRequest)
    headers.set("x-envoy-attempt-count", String(info.attemptCount));
  if (route.includeIsTimeoutRetry)
    headers.set("x-envoy-is-timeout-retry", String(parts.afterTimeout));
}

/** To the picked endpoint's name, where the route wants that. */
export function rewriteHost(route: ForwardAction, head: RequestHead, host: Host): void {
  if (!route.autoHostRewrite || host.hostname === "" || head.authority === host.hostname) return;
  if (route.appendXForwardedHost) head.headers.add("x-forwarded-host", head.authority);
  head.authority = host.hostname;
}
