import type { HttpVersion, ResetReason } from "#http/message.ts";
import type { Counter, Gauge, Histogram, StatsScope } from "../stats/stats.ts";

/** A cluster's counters, looked up once; the rest by status code on first use. Names are Envoy's. */
export class ClusterStats {
  readonly scope: StatsScope;
  readonly connectionTotal: Counter;
  readonly connectionHttp1Total: Counter;
  readonly connectionHttp2Total: Counter;
  readonly connectionCloseNotify: Counter;
  readonly connectionActive: Gauge;
  readonly connectionDestroy: Counter;
  readonly connectionDestroyLocal: Counter;
  readonly connectionDestroyRemote: Counter;
  readonly connectionDestroyLocalActive: Counter;
  readonly connectionDestroyRemoteActive: Counter;
  readonly connectionDestroyActive: Counter;
  readonly connectionOverflow: Counter;
  readonly connectionMaxRequests: Counter;
  readonly connectionMaxDuration: Counter;
  readonly connectionIdleTimeout: Counter;
  readonly connectionNoneHealthy: Counter;
  readonly connectionLengthMs: Histogram;
  readonly connectFail: Counter;
  readonly connectTimeout: Counter;
  readonly connectAttemptsExceeded: Counter;
  readonly connectMs: Histogram;
  readonly bytesReceived: Counter;
  readonly bytesSent: Counter;
  readonly protocolError: Counter;
  readonly flowControlBackedUp: Counter;
  readonly flowControlPausedReading: Counter;
  readonly flowControlResumedReading: Counter;
  readonly requestTotal: Counter;
  readonly requestActive: Gauge;
  readonly requestActiveOverflow: Counter;
  readonly requestCompleted: Counter;
  readonly requestCancelled: Counter;
  readonly requestTimeout: Counter;
  readonly requestMaintenance: Counter;
  readonly requestReceiveReset: Counter;
  readonly requestTransmitReset: Counter;
  readonly requestTimeMs: Histogram;
  readonly pendingTotal: Counter;
  readonly pendingActive: Gauge;
  readonly pendingOverflow: Counter;
  readonly pendingFailureEject: Counter;
  readonly perTryTimeout: Counter;
  readonly perTryIdleTimeout: Counter;
  readonly retry: Counter;
  readonly retryLimitExceeded: Counter;
  readonly retryOverflow: Counter;
  readonly retrySuccess: Counter;
  readonly retryBackoffExponential: Counter;
  readonly retryBackoffRateLimited: Counter;
  /** Repeated at once, without a policy, because a kept connection closed under a request that may be repeated. */
  readonly retryClosedConnection: Counter;
  readonly retryOrShadowAbandoned: Counter;
  readonly internalRedirectSucceeded: Counter;
  readonly internalRedirectFailed: Counter;
  readonly #byCode = new Map<number, CodeCounters>();

  constructor(scope: StatsScope) {
    this.scope = scope;
    const counter = (name: string): Counter => scope.counter(`upstream_${name}`);
    this.connectionTotal = counter("cx_total");
    this.connectionHttp1Total = counter("cx_http1_total");
    this.connectionHttp2Total = counter("cx_http2_total");
    this.connectionCloseNotify = counter("cx_close_notify");
    this.connectionActive = scope.gauge("upstream_cx_active");
    this.connectionDestroy = counter("cx_destroy");
    this.connectionDestroyLocal = counter("cx_destroy_local");
    this.connectionDestroyRemote = counter("cx_destroy_remote");
    this.connectionDestroyLocalActive = counter("cx_destroy_local_with_active_rq");
    this.connectionDestroyRemoteActive = counter("cx_destroy_remote_with_active_rq");
    this.connectionDestroyActive = counter("cx_destroy_with_active_rq");
    this.connectionOverflow = counter("cx_overflow");
    this.connectionMaxRequests = counter("cx_max_requests");
    this.connectionMaxDuration = counter("cx_max_duration_reached");
    this.connectionIdleTimeout = counter("cx_idle_timeout");
    this.connectionNoneHealthy = counter("cx_none_healthy");
    this.connectionLengthMs = scope.histogram("upstream_cx_length_ms");
    this.connectFail = counter("cx_connect_fail");
    this.connectTimeout = counter("cx_connect_timeout");
    this.connectAttemptsExceeded = counter("cx_connect_attempts_exceeded");
    this.connectMs = scope.histogram("upstream_cx_connect_ms");
    this.bytesReceived = counter("cx_rx_bytes_total");
    this.bytesSent = counter("cx_tx_bytes_total");
    this.protocolError = counter("cx_protocol_error");
    this.flowControlBackedUp = counter("flow_control_backed_up_total");
    this.flowControlPausedReading = counter("flow_control_paused_reading_total");
    this.flowControlResumedReading = counter("flow_control_resumed_reading_total");
    this.requestTotal = counter("rq_total");
    this.requestActive = scope.gauge("upstream_rq_active");
    this.requestActiveOverflow = counter("rq_active_overflow");
    this.requestCompleted = counter("rq_completed");
    this.requestCancelled = counter("rq_cancelled");
    this.requestTimeout = counter("rq_timeout");
    this.requestMaintenance = counter("rq_maintenance_mode");
    this.requestReceiveReset = counter("rq_rx_reset");
    this.requestTransmitReset = counter("rq_tx_reset");
    this.requestTimeMs = scope.histogram("upstream_rq_time");
    this.pendingTotal = counter("rq_pending_total");
    this.pendingActive = scope.gauge("upstream_rq_pending_active");
    this.pendingOverflow = counter("rq_pending_overflow");
    this.pendingFailureEject = counter("rq_pending_failure_eject");
    this.perTryTimeout = counter("rq_per_try_timeout");
    this.perTryIdleTimeout = counter("rq_per_try_idle_timeout");
    this.retry = counter("rq_retry");
    this.retryLimitExceeded = counter("rq_retry_limit_exceeded");
    this.retryOverflow = counter("rq_retry_overflow");
    this.retrySuccess = counter("rq_retry_success");
    this.retryBackoffExponential = counter("rq_retry_backoff_exponential");
    this.retryBackoffRateLimited = counter("rq_retry_backoff_ratelimited");
    this.retryClosedConnection = counter("rq_retry_closed_connection");
    this.retryOrShadowAbandoned = scope.counter("retry_or_shadow_abandoned");
    this.internalRedirectSucceeded = counter("internal_redirect_succeeded_total");
    this.internalRedirectFailed = counter("internal_redirect_failed_total");
  }

  /** A response of this status ended; `external`: the downstream is not internal (Envoy's `external.`/`internal.` twins). */
  countResponse(status: number, external: boolean): void {
    let counters = this.#byCode.get(status);
    if (counters === undefined) {
      counters = new CodeCounters(this.scope, status);
      this.#byCode.set(status, counters);
    }
    this.requestCompleted.inc();
    counters.code.inc();
    counters.codeClass.inc();
    (external ? counters.external : counters.internal).inc();
  }

  /** A response that led to a retry. */
  countRetried(status: number): void {
    const scope = this.scope.scope("retry.");
    scope.counter(`upstream_rq_${status}`).inc();
    scope.counter(`upstream_rq_${Math.floor(status / 100)}xx`).inc();
    scope.counter("upstream_rq_completed").inc();
  }

  /** The upstream ended a stream before its time. */
  countReset(reason: ResetReason, protocol: HttpVersion | undefined): void {
    if (protocol === 20) {
      // What breaks a connection of HTTP/2 is counted there.
      if (reason === "remote-reset" || reason === "overflow") this.requestReceiveReset.inc();
      return;
    }
    this.requestReceiveReset.inc();
    if (reason === "protocol") this.protocolError.inc();
  }

  countTime(milliseconds: number, external: boolean): void {
    this.requestTimeMs.record(milliseconds);
    if (external) this.#externalTime().record(milliseconds);
    else this.#internalTime().record(milliseconds);
  }

  #external: Histogram | undefined;
  #internal: Histogram | undefined;

  #externalTime(): Histogram {
    this.#external ??= this.scope.histogram("external.upstream_rq_time");
    return this.#external;
  }

  #internalTime(): Histogram {
    this.#internal ??= this.scope.histogram("internal.upstream_rq_time");
    return this.#internal;
  }
}

class CodeCounters {
  readonly code: Counter;
  readonly codeClass: Counter;
  readonly external: TripleCounter;
  readonly internal: TripleCounter;

  constructor(scope: StatsScope, status: number) {
    const family = `${Math.floor(status / 100)}xx`;
    this.code = scope.counter(`upstream_rq_${status}`);
    this.codeClass = scope.counter(`upstream_rq_${family}`);
    this.external = new TripleCounter(scope, "external.", status, family);
    this.internal = new TripleCounter(scope, "internal.", status, family);
  }
}

/** Made on first use: most clusters only ever see one of the two origins. */
class TripleCounter {
  readonly #make: () => readonly [Counter, Counter, Counter];
  #made: readonly [Counter, Counter, Counter] | undefined;

  constructor(scope: StatsScope, origin: string, status: number, family: string) {
    this.#make = () => [
      scope.counter(`${origin}upstream_rq_${status}`),
      scope.counter(`${origin}upstream_rq_${family}`),
      scope.counter(`${origin}upstream_rq_completed`),
    ];
  }

  inc(): void {
    this.#made ??= this.#make();
    for (const counter of this.#made) counter.inc();
  }
}
