import { isGrpcContentType } from "#grpc/status.ts";
import { formatWholeGrpcTimeout, parseGrpcTimeout } from "#grpc/timeout.ts";
import type { RequestHead } from "#http/message.ts";
import type { ForwardAction, GrpcTimeout } from "../../../route/route.ts";
import type { RouterSettings } from "./router.ts";

export interface RequestTimeouts {
  /** Whole request, from its last byte; 0: none. */
  readonly totalMs: number;
  /** 204 when the client asked for it with x-envoy-upstream-rq-timeout-alt-response. */
  readonly alternativeStatus: number;
  /** A header that strict_check_headers wants valid, and that is not. */
  readonly invalidHeader: string | undefined;
}

/**
 * The route's timeout, unless a trusted header says another. External requests have lost these headers in the connection manager.
 * The headers are consumed here.
 */
export function requestTimeouts(
  head: RequestHead,
  route: ForwardAction,
  settings: RouterSettings,
): RequestTimeouts {
  const { headers } = head;
  for (const name of settings.strictHeaders) {
    const value = headers.get(name);
    if (value !== undefined && name.endsWith("-ms") && !/^\d+$/.test(value))
      return { totalMs: 0, alternativeStatus: 504, invalidHeader: name };
  }
  const { grpcTimeout } = route;
  const isCall = grpcTimeout !== undefined && isGrpcContentType(headers.get("content-type"));
  let totalMs = isCall ? askedByGrpc(head, grpcTimeout) : route.timeoutMs;
  if (settings.respectExpectedTimeout) {
    const expected = wholeNumber(headers.get("x-envoy-expected-rq-timeout-ms"));
    if (expected !== undefined) totalMs = expected;
  }
  const asked = headers.get("x-envoy-upstream-rq-timeout-ms");
  if (asked !== undefined) {
    totalMs = wholeNumber(asked) ?? totalMs;
    headers.remove("x-envoy-upstream-rq-timeout-ms");
  }
  if (isCall && totalMs > 0) headers.set("grpc-timeout", formatWholeGrpcTimeout(totalMs));
  const alternativeStatus = headers.remove("x-envoy-upstream-rq-timeout-alt-response") ? 204 : 504;
  return { totalMs, alternativeStatus, invalidHeader: undefined };
}

/** 0: as long as it takes. */
function askedByGrpc({ headers }: RequestHead, { maxMs, offsetMs }: GrpcTimeout): number {
  let askedMs = Math.ceil((parseGrpcTimeout(headers.get("grpc-timeout")) ?? 0) - 1e-9);
  // No time left would be no limit.
  if (offsetMs < askedMs) askedMs -= offsetMs;
  return maxMs > 0 && (askedMs === 0 || askedMs > maxMs) ? maxMs : askedMs;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
