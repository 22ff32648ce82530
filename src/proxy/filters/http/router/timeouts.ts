import { isGrpcContentType } from "#grpc/status.ts";
import { formatWholeGrpcTimeout, parseGrpcTimeout } from "#grpc/timeout.ts";
import type { RequestHead } from "#http/message.ts";
import { retryOnIsValid } from "../../../route/retry-policy.ts";
import type { ForwardAction, GrpcTimeout } from "../../../route/route.ts";
import { type EnvoyRequestHeaders, wholeNumber } from "./envoy-headers.ts";
import type { RouterSettings } from "./router.ts";

export interface RequestTimeouts {
  /** Whole request, from its last byte; 0: none. */
  readonly totalMs: number;
  /** One attempt; 0: none. */
  readonly perTryMs: number;
  /** 204 when the client asked for it with x-envoy-upstream-rq-timeout-alt-response. */
  readonly alternativeStatus: number;
}

export const noTimeouts: RequestTimeouts = { totalMs: 0, perTryMs: 0, alternativeStatus: 504 };

/** Whether a trusted header that strict_check_headers wants valid is not; its name then. */
export function invalidHeader(
  { headers }: RequestHead,
  names: readonly string[],
): string | undefined {
  return names.find((name) => {
    const value = headers.get(name);
    return value !== undefined && !isValid(name, value);
  });
}

function isValid(name: string, value: string): boolean {
  if (name === "x-envoy-retry-on") return retryOnIsValid(value, "http");
  if (name === "x-envoy-retry-grpc-on") return retryOnIsValid(value, "grpc");
  return /^\d+$/.test(value);
}

/** The route's timeouts, unless a trusted header says another. */
export function requestTimeouts(
  head: RequestHead,
  route: ForwardAction,
  asked: EnvoyRequestHeaders | undefined,
  settings: RouterSettings,
): RequestTimeouts {
  const { headers } = head;
  const { grpcTimeout } = route;
  const isCall = grpcTimeout !== undefined && isGrpcContentType(headers.get("content-type"));
  let totalMs = isCall ? askedByGrpc(head, grpcTimeout) : route.timeoutMs;
  if (settings.respectExpectedTimeout) {
    const expected = wholeNumber(headers.get("x-envoy-expected-rq-timeout-ms"));
    if (expected !== undefined) totalMs = expected;
  }
  totalMs = wholeNumber(asked?.timeout) ?? totalMs;
  if (isCall && totalMs > 0) headers.set("grpc-timeout", formatWholeGrpcTimeout(totalMs));
  const perTryMs = wholeNumber(asked?.perTryTimeout) ?? route.retryPolicy?.perTryTimeoutMs ?? 0;
  return {
    totalMs,
    // One that is not shorter than the whole would never fire.
    perTryMs: totalMs > 0 && perTryMs >= totalMs ? 0 : perTryMs,
    alternativeStatus: asked?.alternativeTimeoutStatus === true ? 204 : 504,
  };
}

/** 0: as long as it takes. */
function askedByGrpc({ headers }: RequestHead, { maxMs, offsetMs }: GrpcTimeout): number {
  let askedMs = Math.ceil((parseGrpcTimeout(headers.get("grpc-timeout")) ?? 0) - 1e-9);
  // No time left would be no limit.
  if (offsetMs < askedMs) askedMs -= offsetMs;
  return maxMs > 0 && (askedMs === 0 || askedMs > maxMs) ? maxMs : askedMs;
}
