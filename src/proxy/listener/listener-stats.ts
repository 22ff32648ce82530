import type { Counter, Gauge, Histogram, StatsScope } from "../stats/stats.ts";

/** `listener.<address or stat_prefix>.` of one worker. */
export class ListenerStats {
  readonly #total: Counter;
  readonly #active: Gauge;
  readonly #destroy: Counter;
  readonly #overflow: Counter;
  /** Over a limit of the whole process. */
  readonly globalOverflow: Counter;
  readonly overloadReject: Counter;
  readonly #lengthMs: Histogram;
  readonly #preActive: Gauge;
  readonly #workerTotal: Counter;
  readonly #workerActive: Gauge;
  readonly preTimeout: Counter;
  readonly transportConnectTimeout: Counter;
  readonly filterRemoteClose: Counter;
  readonly filterError: Counter;
  readonly extensionConfigMissing: Counter;
  readonly noFilterChainMatch: Counter;

  constructor(scope: StatsScope, workerIndex: number) {
    this.#total = scope.counter("downstream_cx_total");
    this.#active = scope.gauge("downstream_cx_active");
    this.#destroy = scope.counter("downstream_cx_destroy");
    this.#overflow = scope.counter("downstream_cx_overflow");
    this.globalOverflow = scope.counter("downstream_global_cx_overflow");
    this.overloadReject = scope.counter("downstream_cx_overload_reject");
    this.#lengthMs = scope.histogram("downstream_cx_length_ms");
    this.#preActive = scope.gauge("downstream_pre_cx_active");
    this.preTimeout = scope.counter("downstream_pre_cx_timeout");
    this.transportConnectTimeout = scope.counter("downstream_cx_transport_socket_connect_timeout");
    this.filterRemoteClose = scope.counter("downstream_listener_filter_remote_close");
    this.filterError = scope.counter("downstream_listener_filter_error");
    this.extensionConfigMissing = scope.counter("network_extension_config_missing");
    this.noFilterChainMatch = scope.counter("no_filter_chain_match");
    const worker = scope.scope(`worker_${workerIndex}.`);
    this.#workerTotal = worker.counter("downstream_cx_total");
    this.#workerActive = worker.gauge("downstream_cx_active");
  }

  accepted(): void {
    this.#preActive.inc();
  }

  /** Over the listener's own limit. */
  overflowed(): void {
    this.#overflow.inc();
  }

  /** Dropped before it had a filter chain. */
  abandoned(): void {
    this.#preActive.dec();
  }

  opened(): void {
    this.#preActive.dec();
    this.#total.inc();
    this.#active.inc();
    this.#workerTotal.inc();
    this.#workerActive.inc();
  }

  closed(lengthMs: number): void {
    this.#active.dec();
    this.#destroy.inc();
    this.#lengthMs.record(lengthMs);
    this.#workerActive.dec();
  }
}
