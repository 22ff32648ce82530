import type { RequestHead } from "#http/message.ts";
import type { Host } from "../../../cluster/host.ts";
import type { ForwardAction } from "../../../route/route.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { RouterSettings } from "./router.ts";

export interface UpstreamHeadParts {
  readonly route: ForwardAction;
  readonly head: RequestHead;
  readonly info: StreamInfo;
  readonly host: Host;
  readonly timeoutMs: number;
}

/** What the router changes in a request's head, in Envoy's order. */
export function prepareUpstreamHead(parts: UpstreamHeadParts, settings: RouterSettings): void {
  const { route, head, info, host, timeoutMs } = parts;
  const { headers } = head;
  if (settings.envoyHeaders && timeoutMs > 0)
    headers.set("x-envoy-expected-rq-timeout-ms", String(Math.round(timeoutMs)));
  if (route.includeAttemptCountRequest) headers.set("x-envoy-attempt-count", "1");
  if (route.headers?.changesRequest === true) route.headers.request(head, info);
  route.rewrite?.(head, info);
  if (!settings.envoyHeaders) {
    headers.remove("x-envoy-original-path");
    headers.remove("x-envoy-original-host");
  }
  if (route.autoHostRewrite && host.hostname !== "") {
    if (route.appendXForwardedHost) headers.add("x-forwarded-host", head.authority);
    head.authority = host.hostname;
  }
}
