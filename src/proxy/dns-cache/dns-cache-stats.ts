import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";

/** `dns_cache.NAME.*` */
export class DnsCacheStats {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly timeout: Counter;
  readonly added: Counter;
  readonly removed: Counter;
  readonly addressChanged: Counter;
  readonly hostOverflow: Counter;
  readonly pendingOverflow: Counter;
  readonly hosts: Gauge;
  readonly #open: Gauge;
  readonly #remaining: Gauge;

  constructor(scope: StatsScope) {
    this.attempt = scope.counter("dns_query_attempt");
    this.success = scope.counter("dns_query_success");
    this.failure = scope.counter("dns_query_failure");
    this.timeout = scope.counter("dns_query_timeout");
    this.added = scope.counter("host_added");
    this.removed = scope.counter("host_removed");
    this.addressChanged = scope.counter("host_address_changed");
    this.hostOverflow = scope.counter("host_overflow");
    this.pendingOverflow = scope.counter("dns_rq_pending_overflow");
    this.hosts = scope.gauge("num_hosts");
    this.#open = scope.gauge("circuit_breakers.rq_pending_open");
    this.#remaining = scope.gauge("circuit_breakers.rq_pending_remaining");
    this.hosts.set(0);
  }

  pending(now: number, max: number): void {
    // As in Envoy: a breaker that never let anyone through is not open.
    this.#open.set(now > 0 && now >= max ? 1 : 0);
    this.#remaining.set(Math.max(0, max - now));
  }
}
