import type {
  HedgePolicyJson,
  RetryPolicy_RateLimitedRetryBackOffJson,
  RetryPolicy_RetryHostPredicateJson,
  RetryPolicy_RetryPriorityJson,
  RetryPolicyJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { HeaderList } from "#http/headers.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { Host } from "../cluster/host.ts";
import { compileHeaderMatcher, type HeaderPredicate } from "../matching/header-matcher.ts";
import type { Json } from "../stream-info.ts";

/** Bits of `retry_on`: what makes an attempt worth repeating. */
export const RetryOn = {
  serverError: 1,
  gatewayError: 2,
  reset: 4,
  resetBeforeRequest: 8,
  connectFailure: 16,
  rateLimited: 32,
  retriable4xx: 64,
  refusedStream: 128,
  retriableStatusCodes: 256,
  retriableHeaders: 512,
  grpcCancelled: 1024,
  grpcDeadlineExceeded: 2048,
  grpcInternal: 4096,
  grpcResourceExhausted: 8192,
  grpcUnavailable: 16_384,
} as const;

const httpWords: Readonly<Record<string, number>> = {
  "5xx": RetryOn.serverError,
  "gateway-error": RetryOn.gatewayError,
  reset: RetryOn.reset,
  "reset-before-request": RetryOn.resetBeforeRequest,
  "connect-failure": RetryOn.connectFailure,
  "envoy-ratelimited": RetryOn.rateLimited,
  "retriable-4xx": RetryOn.retriable4xx,
  "refused-stream": RetryOn.refusedStream,
  "retriable-status-codes": RetryOn.retriableStatusCodes,
  "retriable-headers": RetryOn.retriableHeaders,
};

const grpcWords: Readonly<Record<string, number>> = {
  cancelled: RetryOn.grpcCancelled,
  "deadline-exceeded": RetryOn.grpcDeadlineExceeded,
  internal: RetryOn.grpcInternal,
  "resource-exhausted": RetryOn.grpcResourceExhausted,
  unavailable: RetryOn.grpcUnavailable,
};

/** The gRPC status that each bit stands for. */
export const grpcStatusBits: Readonly<Record<string, number>> = {
  "1": RetryOn.grpcCancelled,
  "4": RetryOn.grpcDeadlineExceeded,
  "8": RetryOn.grpcResourceExhausted,
  "13": RetryOn.grpcInternal,
  "14": RetryOn.grpcUnavailable,
};

/** A comma-separated list; as in Envoy, words it does not know mean nothing. */
export function parseRetryOn(text: string, kind: "http" | "grpc"): number {
  return bitsOf(text, kind === "http" ? httpWords : grpcWords);
}

/** Whether every word of the list is known, as strict_check_headers asks. */
export function retryOnIsValid(text: string, kind: "http" | "grpc"): boolean {
  const words = kind === "http" ? httpWords : grpcWords;
  // Without HTTP/3 nothing can fail this way, but the word is Envoy's.
  const known = (word: string): boolean =>
    words[word] !== undefined || (kind === "http" && word === "http3-post-connect-failure");
  return splitWords(text).every(known);
}

function bitsOf(text: string, words: Readonly<Record<string, number>>): number {
  return splitWords(text).reduce((bits, word) => bits | (words[word] ?? 0), 0);
}

export function splitWords(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** How long the upstream asks to be left alone, in milliseconds; undefined when the header does not say. */
export type ResetInterval = (headers: HeaderList, wallMs: number) => number | undefined;

/** A route's or virtual host's `retry_policy`, compiled. */
export interface RetryPolicy {
  /** RetryOn bits; 0: only requests that ask for it by header are tried again. */
  readonly on: number;
  readonly retries: number;
  readonly statusCodes: readonly number[];
  readonly responseHeaders: readonly HeaderPredicate[];
  /** When there are any, only requests that match one are tried again. */
  readonly requestHeaders: readonly HeaderPredicate[];
  /** 0: none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  /** Undefined: 25 ms, or what the runtime says. */
  readonly baseIntervalMs: number | undefined;
  readonly maxIntervalMs: number | undefined;
  readonly resetIntervals: readonly ResetInterval[];
  readonly resetMaxMs: number;
  /** Hosts that another attempt had better not take; `attempted` are those of this request. */
  readonly avoids: readonly ((host: Host, attempted: readonly Host[]) => boolean)[];
  /** How often another host is drawn when one is to be avoided. */
  readonly hostSelectionAttempts: number;
  /** Attempts after which priorities already tried are left out; 0: never. */
  readonly previousPriorities: number;
}

const rateLimitedMaxMs = 300_000;

/** For requests that ask by header where no policy is configured. */
export const noRetryPolicy: RetryPolicy = {
  on: 0,
  retries: 1,
  statusCodes: [],
  responseHeaders: [],
  requestHeaders: [],
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  baseIntervalMs: undefined,
  maxIntervalMs: undefined,
  resetIntervals: [],
  resetMaxMs: rateLimitedMaxMs,
  avoids: [],
  hostSelectionAttempts: 1,
  previousPriorities: 0,
};

export function compileRetryPolicy(config: RetryPolicyJson | undefined): RetryPolicy | undefined {
  if (config === undefined) return undefined;
  const retryOn = config.retryOn ?? "";
  const backoff = compileBackoff(config);
  return {
    on: parseRetryOn(retryOn, "http") | parseRetryOn(retryOn, "grpc"),
    retries: config.numRetries ?? 1,
    statusCodes: config.retriableStatusCodes ?? [],
    responseHeaders: compileEach(
      "retriable_headers",
      config.retriableHeaders,
      compileHeaderMatcher,
    ),
    requestHeaders: compileEach(
      "retriable_request_headers",
      config.retriableRequestHeaders,
      compileHeaderMatcher,
    ),
    perTryTimeoutMs: within("per_try_timeout", () => durationMs(config.perTryTimeout, 0)),
    perTryIdleTimeoutMs: within("per_try_idle_timeout", () =>
      durationMs(config.perTryIdleTimeout, 0),
    ),
    ...backoff,
    ...within("rate_limited_retry_back_off", () => compileResets(config.rateLimitedRetryBackOff)),
    avoids: compileEach("retry_host_predicate", config.retryHostPredicate, compileHostPredicate),
    hostSelectionAttempts: Number(config.hostSelectionRetryMaxAttempts ?? 1) || 1,
    previousPriorities: within("retry_priority", () => compilePriority(config.retryPriority)),
  };
}

function compileBackoff({ retryBackOff }: RetryPolicyJson): {
  baseIntervalMs: number | undefined;
  maxIntervalMs: number | undefined;
} {
  if (retryBackOff === undefined) return { baseIntervalMs: undefined, maxIntervalMs: undefined };
  return within("retry_back_off", () => {
    if (retryBackOff.baseInterval === undefined) throw refuse("base_interval", "value is required");
    // As Envoy: less than a millisecond is one.
    const base = Math.max(
      1,
      Math.floor(within("base_interval", () => durationMs(retryBackOff.baseInterval, 1))),
    );
    if (retryBackOff.maxInterval === undefined)
      return { baseIntervalMs: base, maxIntervalMs: undefined };
    const max = Math.max(
      1,
      Math.floor(within("max_interval", () => durationMs(retryBackOff.maxInterval, 1))),
    );
    if (max < base)
      throw refuse("max_interval", "must be greater than or equal to the base_interval");
    return { baseIntervalMs: base, maxIntervalMs: max };
  });
}

function compileResets(config: RetryPolicy_RateLimitedRetryBackOffJson | undefined): {
  resetIntervals: readonly ResetInterval[];
  resetMaxMs: number;
} {
  if (config === undefined) return { resetIntervals: [], resetMaxMs: rateLimitedMaxMs };
  const headers = config.resetHeaders ?? [];
  if (headers.length === 0) throw refuse("reset_headers", "at least one is required");
  const resetMaxMs = within("max_interval", () => durationMs(config.maxInterval, rateLimitedMaxMs));
  return {
    resetIntervals: compileEach("reset_headers", headers, ({ name = "", format }) => {
      if (name === "") throw refuse("name", "value length must be at least 1 characters");
      return compileReset(name.toLowerCase(), format === "UNIX_TIMESTAMP");
    }),
    resetMaxMs,
  };
}

/** A whole number of seconds to wait, or the second of the clock at which to come back. */
function compileReset(name: string, isTimestamp: boolean): ResetInterval {
  return (headers, wallMs) => {
    const text = headers.get(name);
    if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
    if (!isTimestamp) return Number(text) * 1000;
    const now = Math.floor(wallMs / 1000);
    return Number(text) < now ? undefined : (Number(text) - now) * 1000;
  };
}

function typeName(config: unknown): string {
  const type = (config as { readonly "@type"?: string } | undefined)?.["@type"] ?? "";
  return type.slice(type.lastIndexOf("/") + 1);
}

function compileHostPredicate(
  config: RetryPolicy_RetryHostPredicateJson,
): (host: Host, attempted: readonly Host[]) => boolean {
  switch (typeName(config.typedConfig)) {
    case "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate":
      return (host, attempted) => attempted.includes(host);
    case "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate":
      return (host) => host.metadata?.["envoy.lb"]?.["canary"] === true;
    case "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig":
      return omitByMetadata(config.typedConfig);
    default:
      throw refuse(
        "typed_config",
        `${typeName(config.typedConfig)} is not a retry host predicate of Heddle; there are previous_hosts, omit_canary_hosts and omit_host_metadata`,
      );
  }
}

function omitByMetadata(config: unknown): (host: Host) => boolean {
  // Proof: the decoder has checked the Any against its type.
  const { metadataMatch } = config as {
    readonly metadataMatch?: {
      readonly filterMetadata?: Readonly<Record<string, { readonly [key: string]: Json }>>;
    };
  };
  const wanted = Object.entries(metadataMatch?.filterMetadata?.["envoy.lb"] ?? {});
  if (wanted.length === 0) return () => false;
  return ({ metadata }) => {
    const values = metadata?.["envoy.lb"];
    return (
      values !== undefined &&
      wanted.every(([key, value]) => JSON.stringify(values[key]) === JSON.stringify(value))
    );
  };
}

function compilePriority(config: RetryPolicy_RetryPriorityJson | undefined): number {
  if (config === undefined) return 0;
  const type = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig";
  if (typeName(config.typedConfig) !== type)
    throw refuse(
      "typed_config",
      `${typeName(config.typedConfig)} is not a retry priority of Heddle; there is previous_priorities`,
    );
  const { updateFrequency } = config.typedConfig as { readonly updateFrequency?: number };
  if (updateFrequency === undefined || updateFrequency < 1)
    throw refuse("typed_config.update_frequency", "value must be greater than 0");
  return updateFrequency;
}

/** `hedge_on_per_try_timeout`: a slow attempt goes on beside the next. */
export function compileHedging(config: HedgePolicyJson | undefined): boolean {
  return config?.hedgeOnPerTryTimeout === true;
}
