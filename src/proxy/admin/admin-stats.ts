import type { Clock } from "#lib/clock.ts";
import type { CloseReason } from "#net/connection.ts";
import type { Counter, Gauge, Histogram, StatsScope } from "../stats/stats.ts";

const classes = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

/** The admin port counts itself as Envoy's does: `http.admin.*` and `listener.admin.*`. */
export class AdminStats {
  readonly #clock: Clock;
  readonly #total: readonly Counter[];
  readonly #active: readonly Gauge[];
  readonly #destroyed: readonly Counter[];
  readonly #destroyedLocal: Counter;
  readonly #destroyedRemote: Counter;
  readonly #received: Counter;
  readonly #sent: Counter;
  readonly #overflow: Counter;
  readonly #protocolError: Counter;
  readonly #lengths: readonly Histogram[];
  readonly #requests: readonly Counter[];
  readonly #requestsActive: Gauge;
  readonly #requestTime: Histogram;
  readonly #completed: readonly Counter[];
  readonly #byClass: readonly (readonly Counter[])[];

  constructor(root: StatsScope, clock: Clock) {
    this.#clock = clock;
    const http = root.scope("http.admin.downstream_");
    const listener = root.scope("listener.admin.downstream_");
    const thread = root.scope("listener.admin.main_thread.downstream_");
    const perListener = root.scope("listener.admin.http.admin.downstream_");
    this.#total = [
      http.counter("cx_total"),
      http.counter("cx_http1_total"),
      listener.counter("cx_total"),
      thread.counter("cx_total"),
    ];
    this.#active = [
      http.gauge("cx_active"),
      http.gauge("cx_http1_active"),
      listener.gauge("cx_active"),
      thread.gauge("cx_active"),
    ];
    this.#destroyed = [http.counter("cx_destroy"), listener.counter("cx_destroy")];
    this.#destroyedLocal = http.counter("cx_destroy_local");
    this.#destroyedRemote = http.counter("cx_destroy_remote");
    this.#received = http.counter("cx_rx_bytes_total");
    this.#sent = http.counter("cx_tx_bytes_total");
    this.#overflow = listener.counter("cx_overflow");
    this.#protocolError = http.counter("cx_protocol_error");
    this.#lengths = [http.histogram("cx_length_ms"), listener.histogram("cx_length_ms")];
    this.#requests = [http.counter("rq_total"), http.counter("rq_http1_total")];
    this.#requestsActive = http.gauge("rq_active");
    this.#requestTime = http.histogram("rq_time");
    this.#completed = [http.counter("rq_completed"), perListener.counter("rq_completed")];
    this.#byClass = classes.map((name) => [
      http.counter(`rq_${name}`),
      perListener.counter(`rq_${name}`),
    ]);
  }

  onOverflow(): void {
    this.#overflow.inc();
  }

  onProtocolError(): void {
    this.#protocolError.inc();
  }

  /** Returns what to call when the connection is gone. */
  onConnection(): (reason: CloseReason, received: number, sent: number) => void {
    const startMs = this.#clock.monotonicMs();
    for (const counter of this.#total) counter.inc();
    for (const gauge of this.#active) gauge.inc();
    return (reason, received, sent) => {
      for (const gauge of this.#active) gauge.dec();
      for (const counter of this.#destroyed) counter.inc();
      if (reason.kind === "local") this.#destroyedLocal.inc();
      else this.#destroyedRemote.inc();
      this.#received.add(received);
      this.#sent.add(sent);
      const lengthMs = this.#clock.monotonicMs() - startMs;
      for (const histogram of this.#lengths) histogram.record(lengthMs);
    };
  }

  /** Returns what to call when the answer leaves. */
  onRequest(): (status: number) => void {
    const startMs = this.#clock.monotonicMs();
    for (const counter of this.#requests) counter.inc();
    this.#requestsActive.inc();
    return (status) => {
      this.#requestsActive.dec();
      this.#requestTime.record(this.#clock.monotonicMs() - startMs);
      for (const counter of this.#completed) counter.inc();
      const counters = this.#byClass[Math.floor(status / 100) - 1] ?? [];
      for (const counter of counters) counter.inc();
    };
  }
}
