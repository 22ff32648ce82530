import type {
  FaultDelayJson,
  FaultRateLimitJson,
} from "#gen/envoy/extensions/filters/common/fault/v3/fault_pb.js";
import type {
  FaultAbortJson,
  HTTPFaultJson,
} from "#gen/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import type { FractionalPercentJson } from "#gen/envoy/type/v3/percent_pb.js";
import type { HeaderList } from "#http/headers.ts";
import { within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileHeaderMatchers, type HeaderPredicate } from "../../../matching/header-matcher.ts";
import type { Json } from "../../../stream-info.ts";

/** How often; the client may lower it where `header` is named. */
export interface Share {
  readonly numerator: number;
  readonly denominator: number;
  readonly header: string | undefined;
}

/** One kind of fault: how often, and what a request's headers make of it (undefined: nothing). */
export interface Fault<T> {
  readonly share: Share;
  readonly value: (headers: HeaderList) => T | undefined;
}

/** A gRPC status goes out with HTTP 200. */
export interface AbortStatus {
  readonly http: number | undefined;
  readonly grpc: number | undefined;
}

/** Where the runtime overrides what is configured. */
export interface RuntimeKeys {
  readonly delayPercent: string;
  readonly delayDuration: string;
  readonly abortPercent: string;
  readonly abortHttpStatus: string;
  readonly abortGrpcStatus: string;
  readonly activeMax: string;
  readonly rateLimitPercent: string;
}

/** Of the filter or of a route. */
export interface FaultSettings {
  readonly delayMs: Fault<number> | undefined;
  readonly abort: Fault<AbortStatus> | undefined;
  readonly kilobytesPerSecond: Fault<number> | undefined;
  /** "": any. */
  readonly upstreamCluster: string;
  /** None: any. */
  readonly downstreamNodes: readonly string[];
  readonly headers: readonly HeaderPredicate[];
  readonly activeMax: number;
  readonly keys: RuntimeKeys;
  readonly clusterStats: boolean;
  readonly metadata: { readonly [key: string]: Json } | undefined;
}

// The loader has checked ranges, and that each fault has a kind.
export function compileSettings(config: HTTPFaultJson): FaultSettings {
  const { delay, abort, responseRateLimit } = config;
  return {
    delayMs: delay === undefined ? undefined : within("delay", () => compileDelay(delay)),
    abort: abort === undefined ? undefined : within("abort", () => compileAbort(abort)),
    kilobytesPerSecond:
      responseRateLimit === undefined
        ? undefined
        : within("response_rate_limit", () => compileRateLimit(responseRateLimit)),
    upstreamCluster: config.upstreamCluster ?? "",
    downstreamNodes: config.downstreamNodes ?? [],
    headers: compileHeaderMatchers(config.headers),
    activeMax: config.maxActiveFaults ?? Number.POSITIVE_INFINITY,
    keys: compileKeys(config),
    clusterStats: config.disableDownstreamClusterStats !== true,
    // Proof: a Struct in ProtoJSON is a JSON object.
    metadata: config.filterMetadata as FaultSettings["metadata"],
  };
}

function compileKeys(config: HTTPFaultJson): RuntimeKeys {
  const key = (configured: string | undefined, absent: string): string =>
    configured === undefined || configured === "" ? absent : configured;
  return {
    delayPercent: key(config.delayPercentRuntime, "fault.http.delay.fixed_delay_percent"),
    delayDuration: key(config.delayDurationRuntime, "fault.http.delay.fixed_duration_ms"),
    abortPercent: key(config.abortPercentRuntime, "fault.http.abort.abort_percent"),
    abortHttpStatus: key(config.abortHttpStatusRuntime, "fault.http.abort.http_status"),
    abortGrpcStatus: key(config.abortGrpcStatusRuntime, "fault.http.abort.grpc_status"),
    activeMax: key(config.maxActiveFaultsRuntime, "fault.http.max_active_faults"),
    rateLimitPercent: key(
      config.responseRateLimitPercentRuntime,
      "fault.http.rate_limit.response_percent",
    ),
  };
}

function compileDelay({ fixedDelay, percentage }: FaultDelayJson): Fault<number> {
  if (fixedDelay !== undefined) {
    const fixedMs = within("fixed_delay", () => durationMs(fixedDelay));
    // Envoy counts whole milliseconds.
    const delayMs = Math.floor(fixedMs);
    return { share: shareOf(percentage), value: () => delayMs };
  }
  return {
    share: shareOf(percentage, "x-envoy-fault-delay-request-percentage"),
    value: (headers) => wholeNumber(headers.get("x-envoy-fault-delay-request")),
  };
}

function compileAbort(config: FaultAbortJson): Fault<AbortStatus> {
  const { httpStatus, grpcStatus, percentage } = config;
  if (httpStatus !== undefined) {
    const status: AbortStatus = { http: httpStatus, grpc: undefined };
    return { share: shareOf(percentage), value: () => status };
  }
  if (grpcStatus !== undefined) {
    const status: AbortStatus = { http: undefined, grpc: grpcStatus };
    return { share: shareOf(percentage), value: () => status };
  }
  return {
    share: shareOf(percentage, "x-envoy-fault-abort-request-percentage"),
    value: statusOfHeaders,
  };
}

function statusOfHeaders(headers: HeaderList): AbortStatus | undefined {
  const http = wholeNumber(headers.get("x-envoy-fault-abort-request"));
  if (http !== undefined && isStatus(http)) return { http, grpc: undefined };
  const grpc = wholeNumber(headers.get("x-envoy-fault-abort-grpc-request"));
  return grpc === undefined ? undefined : { http: undefined, grpc };
}

function compileRateLimit(config: FaultRateLimitJson): Fault<number> {
  const { fixedLimit, percentage } = config;
  if (fixedLimit !== undefined) {
    const limit = Number(fixedLimit.limitKbps ?? 0);
    return { share: shareOf(percentage), value: () => limit };
  }
  return {
    share: shareOf(percentage, "x-envoy-fault-throughput-response-percentage"),
    value: (headers) => wholeNumber(headers.get("x-envoy-fault-throughput-response")) || undefined,
  };
}

const denominators: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

function shareOf(percentage: FractionalPercentJson | undefined, header?: string): Share {
  return {
    numerator: percentage?.numerator ?? 0,
    denominator: denominators[String(percentage?.denominator ?? "HUNDRED")] ?? 100,
    header,
  };
}

/** What a client says is a number only when it is one, and no larger than what arithmetic is exact for. */
export function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
  return Number(text);
}

export function isStatus(code: number): boolean {
  return code >= 200 && code < 600;
}
