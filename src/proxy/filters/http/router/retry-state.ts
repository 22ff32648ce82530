import { isGrpcContentType } from "#grpc/status.ts";
import type { RequestHead, ResetReason, ResponseHead } from "#http/message.ts";
import type { PriorityExclusion } from "../../../balancer/balancer.ts";
import type { ClusterStats } from "../../../cluster/cluster-stats.ts";
import type { Host } from "../../../cluster/host.ts";
import type { Cluster } from "../../../cluster/manager.ts";
import { compileHeaderMatcher, type HeaderPredicate } from "../../../matching/header-matcher.ts";
import type { RequestStats, RequestTally } from "../../../route/request-stats.ts";
import {
  grpcStatusBits,
  noRetryPolicy,
  parseRetryOn,
  RetryOn,
  type RetryPolicy,
} from "../../../route/retry-policy.ts";
import type { ForwardAction } from "../../../route/route.ts";
import type { Services } from "../../../services.ts";
import type { EnvoyRequestHeaders } from "./envoy-headers.ts";

/** `limit`: as often as allowed already; `overflow`: the cluster has too many retries under way. */
export type RetryDecision = "no" | "yes" | "limit" | "overflow";

/** How an attempt ended before its response began. */
export type AttemptFailure = ResetReason | "pool-overflow";

export interface RetryContext {
  readonly services: Services;
  readonly cluster: Cluster;
  readonly stats: ClusterStats;
  readonly tally: RequestTally | undefined;
  readonly route: ForwardAction;
  readonly head: RequestHead;
}

const grpcBits =
  RetryOn.grpcCancelled |
  RetryOn.grpcDeadlineExceeded |
  RetryOn.grpcInternal |
  RetryOn.grpcResourceExhausted |
  RetryOn.grpcUnavailable;
const serverErrorBits = RetryOn.serverError | RetryOn.gatewayError;
const baseIntervalMs = 25;
const none: readonly RequestStats[] = [];

/** One request's attempts: which are worth repeating, how many are left, when the next begins and which hosts it avoids. */
export class RetryState {
  readonly #context: RetryContext;
  readonly #policy: RetryPolicy;
  readonly #on: number;
  readonly #statusCodes: readonly number[];
  readonly #responseHeaders: readonly HeaderPredicate[];
  #left: number;
  #intervalMs: number;
  readonly #intervalMaxMs: number;
  /** The upstream's own word on when to come back; for one retry. */
  #askedMs = 0;
  /** Counted in the cluster's retries. */
  #counted = false;
  #wait: { cancel(): void } | undefined;
  readonly #attempted: Host[] = [];

  /** Undefined: neither the route nor the request asks for retries. */
  static of(context: RetryContext, asked: EnvoyRequestHeaders | undefined): RetryState | undefined {
    const { retryPolicy } = context.route;
    const on = retryPolicy?.on ?? 0;
    if (on === 0 && asked?.retryOn === undefined && asked?.retryGrpcOn === undefined)
      return undefined;
    return new RetryState(context, retryPolicy ?? noRetryPolicy, asked);
  }

  constructor(context: RetryContext, policy: RetryPolicy, asked: EnvoyRequestHeaders | undefined) {
    this.#context = context;
    this.#policy = policy;
    let { on } = policy;
    if (asked?.retryOn !== undefined) on |= parseRetryOn(asked.retryOn, "http");
    if (asked?.retryGrpcOn !== undefined) on |= parseRetryOn(asked.retryGrpcOn, "grpc");
    const { requestHeaders } = policy;
    if (requestHeaders.length > 0 && !requestHeaders.some((matches) => matches(context.head)))
      on = 0;
    this.#on = on;
    this.#left = asked?.maxRetries ?? policy.retries;
    this.#statusCodes = [...policy.statusCodes, ...(asked?.retriableStatusCodes ?? [])];
    this.#responseHeaders = [
      ...policy.responseHeaders,
      ...(asked?.retriableHeaderNames ?? []).map((name) => compileHeaderMatcher({ name })),
    ];
    const base =
      policy.baseIntervalMs ??
      context.services.runtime.number("upstream.base_retry_backoff_ms", baseIntervalMs);
    this.#intervalMs = Math.max(1, base);
    this.#intervalMaxMs = policy.maxIntervalMs ?? this.#intervalMs * 10;
  }

  /** Whether any failure could lead to a retry: only then is the request's body kept. */
  get enabled(): boolean {
    return this.#on !== 0;
  }

  onHostAttempted(host: Host): void {
    this.#attempted.push(host);
  }

  avoids(host: Host): boolean {
    return this.#policy.avoids.some((avoid) => avoid(host, this.#attempted));
  }

  get hostSelectionAttempts(): number {
    return this.#policy.avoids.length === 0 ? 0 : this.#policy.hostSelectionAttempts;
  }

  /** Priorities that earlier attempts have used up. */
  get exclusion(): PriorityExclusion | undefined {
    const { previousPriorities } = this.#policy;
    if (previousPriorities === 0 || this.#attempted.length < previousPriorities) return undefined;
    const counted = Math.floor(this.#attempted.length / previousPriorities) * previousPriorities;
    return { priorities: this.#attempted.slice(0, counted).map(({ priority }) => priority) };
  }

  /** A response began: is it one to try again after? `yes`: `retry` will be called. */
  onResponse(head: ResponseHead, retry: () => void): RetryDecision {
    const would = this.wouldRetry(head);
    if (would) this.#askedMs = this.#asked(head);
    return this.#decide(would, retry);
  }

  /** `started`: bytes of the request have gone out. */
  onFailure(failure: AttemptFailure, started: boolean, retry: () => void): RetryDecision {
    return this.#decide(this.#wouldRetryFailure(failure, started), retry);
  }

  /** A slow attempt that goes on beside the next one. */
  onHedge(retry: () => void): RetryDecision {
    return this.#decide(true, retry);
  }

  wouldRetry(head: ResponseHead): boolean {
    const on = this.#on;
    const { status, headers } = head;
    if (headers.has("x-envoy-ratelimited")) return (on & RetryOn.rateLimited) !== 0;
    if ((on & RetryOn.serverError) !== 0 && status >= 500 && status < 600) return true;
    if ((on & RetryOn.gatewayError) !== 0 && status >= 502 && status <= 504) return true;
    if ((on & RetryOn.retriable4xx) !== 0 && status === 409) return true;
    if ((on & RetryOn.retriableStatusCodes) !== 0 && this.#statusCodes.includes(status))
      return true;
    if (
      (on & RetryOn.retriableHeaders) !== 0 &&
      this.#responseHeaders.some((matches) => matches(head))
    )
      return true;
    if ((on & grpcBits) === 0) return false;
    return (on & (grpcStatusBits[headers.get("grpc-status") ?? ""] ?? 0)) !== 0;
  }

  #wouldRetryFailure(failure: AttemptFailure, started: boolean): boolean {
    const on = this.#on;
    if (failure === "pool-overflow") return false;
    const isConnect = failure === "connect" || failure === "connect-timeout";
    if (isConnect && (on & RetryOn.connectFailure) !== 0) return true;
    if ((on & RetryOn.resetBeforeRequest) !== 0 && !started) return true;
    if ((on & (RetryOn.reset | serverErrorBits)) !== 0) return true;
    return failure === "refused" && (on & RetryOn.refusedStream) !== 0;
  }

  #asked({ headers }: ResponseHead): number {
    const { resetIntervals, resetMaxMs } = this.#policy;
    for (const intervalOf of resetIntervals) {
      const interval = intervalOf(headers, this.#context.services.clock.wallMs());
      if (interval !== undefined && interval <= resetMaxMs) return interval;
    }
    return 0;
  }

  #decide(would: boolean, retry: () => void): RetryDecision {
    const { stats, cluster, route, services, tally } = this.#context;
    const tallied = tally?.stats ?? none;
    if (this.#counted && !would) {
      stats.retrySuccess.inc();
      for (const each of tallied) each.retrySuccess.inc();
    }
    this.end();
    if (!would) return "no";
    if (this.#left === 0) {
      stats.retryLimitExceeded.inc();
      for (const each of tallied) each.retryLimitExceeded.inc();
      return "limit";
    }
    this.#left--;
    if (!cluster.breaker(route.priority).tryTake("retries")) {
      stats.retryOverflow.inc();
      for (const each of tallied) each.retryOverflow.inc();
      return "overflow";
    }
    if (!services.runtime.featureEnabled("upstream.use_retry", 100, 100, services.random.unit())) {
      cluster.breaker(route.priority).release("retries");
      return "no";
    }
    this.#counted = true;
    stats.retry.inc();
    for (const each of tallied) each.retry.inc();
    this.#wait = services.clock.after(this.#delayMs(), retry);
    return "yes";
  }

  /** Fully jittered, doubling up to the maximum; after a rate limit, no sooner than the upstream asked. */
  #delayMs(): number {
    const { random } = this.#context.services;
    const { stats } = this.#context;
    if (this.#askedMs > 1) {
      const asked = this.#askedMs;
      this.#askedMs = 0;
      stats.retryBackoffRateLimited.inc();
      return asked + random.unit() * (asked / 2);
    }
    stats.retryBackoffExponential.inc();
    const interval = this.#intervalMs;
    this.#intervalMs = Math.min(this.#intervalMaxMs, interval * 2);
    return random.unit() * interval;
  }

  /** No retry waits any more, and none is counted. */
  end(): void {
    this.#wait?.cancel();
    this.#wait = undefined;
    if (!this.#counted) return;
    this.#counted = false;
    this.#context.cluster.breaker(this.#context.route.priority).release("retries");
  }
}

/** RFC 9110 §9.2.2: the same effect once or twice. */
export function isIdempotent({ method, headers }: RequestHead): boolean {
  switch (method) {
    case "GET":
    case "HEAD":
    case "OPTIONS":
    case "TRACE":
    case "PUT":
    case "DELETE":
      return !isGrpcContentType(headers.get("content-type"));
    default:
      return false;
  }
}
