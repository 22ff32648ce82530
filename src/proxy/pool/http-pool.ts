import type { Http1ClientOptions } from "#http/h1/client.ts";
import type { Http2Services } from "#http/h2/http2-options.ts";
import type { HttpVersion, ResponseSink } from "#http/message.ts";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { TimerList } from "#lib/timers.ts";
import type { ConnectOptions } from "#net/connect.ts";
import type { Connection } from "#net/connection.ts";
import type { ClusterStats } from "../cluster/cluster-stats.ts";
import type { Host } from "../cluster/host.ts";
import type { UpstreamCallbacks } from "../cluster/manager.ts";
import type { CompiledHttp2 } from "../http2-options.ts";
import type { RequestedName } from "../tls/auto-sni.ts";
import type { UpstreamTransport } from "../tls/transport-socket.ts";
import { ConnectAttempt } from "./connect-attempt.ts";
import { PooledConnection } from "./pooled-connection.ts";

/** The part of a circuit breaker that a pool asks. */
export interface PoolLimits {
  tryTake(resource: "connections" | "pending" | "requests"): boolean;
  release(resource: "connections" | "pending" | "requests"): void;
}

/** What every pool of a cluster shares. */
export interface PoolSettings {
  /** The HTTP version of its connections; undefined: each connection's ALPN decides. */
  readonly protocol: HttpVersion | undefined;
  /** Streams that a connection not made yet is expected to carry, if ALPN does not make it HTTP/1. */
  readonly expectedStreams: number;
  readonly http1: Http1ClientOptions;
  readonly http2: CompiledHttp2 & { readonly services: Http2Services };
  readonly services: { readonly clock: Clock; readonly random: Random };
  readonly connect: ConnectOptions;
  /** The server that the pool's requests are for. */
  readonly requested?: RequestedName | undefined;
  /** Undefined: every host is reached as it is. */
  readonly transport: UpstreamTransport | undefined;
  /** What each connection begins with; such a pool is one downstream connection's. */
  readonly preamble?: Uint8Array | undefined;
  readonly stats: ClusterStats;
  readonly connectTimeout: TimerList | undefined;
  readonly idleTimeout: TimerList | undefined;
  readonly maxConnectionDuration: TimerList | undefined;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  readonly bufferLimit: number;
  /** Connections to make per connection needed (Envoy's per_upstream_preconnect_ratio), ≥ 1. */
  readonly preconnectRatio: number;
  /** `per_host_thresholds`. */
  readonly connectionsPerHostMax: number;
  readonly now: () => number;
}

/** Whether the host's own limit lets another connection be made. */
export function hostHasRoom(host: Host, { connectionsPerHostMax }: PoolSettings): boolean {
  return host.connectionsActive + host.connectionsOpening < connectionsPerHostMax;
}

/** A request that waits for a connection; links make withdrawal cost nothing. */
class PendingRequest {
  readonly pool: HttpPool;
  readonly sink: ResponseSink;
  readonly callbacks: UpstreamCallbacks;
  waiting = true;

  constructor(pool: HttpPool, sink: ResponseSink, callbacks: UpstreamCallbacks) {
    this.pool = pool;
    this.sink = sink;
    this.callbacks = callbacks;
  }

  cancel(): void {
    if (this.waiting) this.pool.withdraw(this);
  }
}

const nothingToCancel: { cancel(): void } = { cancel: () => {} };

/**
 * HTTP connections to one host at one priority. A connection serves one request at a time (HTTP/1), or as many as both sides allow
 * (HTTP/2). The one used last is used first, so that those not needed grow old and are closed.
 */
export class HttpPool {
  readonly host: Host;
  readonly settings: PoolSettings;
  readonly limits: PoolLimits;
  /** Those that can take a request. */
  readonly #ready: PooledConnection[] = [];
  readonly #all: Set<PooledConnection> = new Set();
  readonly #connecting: Set<ConnectAttempt> = new Set();
  /** Limited by the circuit breaker's pending requests. */
  readonly #pending: Set<PendingRequest> = new Set();
  #draining = false;
  /** Streams that a connection being made is expected to carry. */
  #expectedStreams: number;

  constructor(host: Host, settings: PoolSettings, limits: PoolLimits) {
    this.host = host;
    this.settings = settings;
    this.#expectedStreams = settings.expectedStreams;
    this.limits = limits;
  }

  get empty(): boolean {
    return this.#all.size === 0 && this.#connecting.size === 0 && this.#pending.size === 0;
  }

  /** A stream now, or when a connection is there. */
  request(sink: ResponseSink, callbacks: UpstreamCallbacks): { cancel(): void } {
    const ready = this.#ready[this.#ready.length - 1];
    if (ready !== undefined) {
      this.#give(ready, sink, callbacks);
      return nothingToCancel;
    }
    if (!this.limits.tryTake("pending")) {
      this.settings.stats.pendingOverflow.inc();
      callbacks.onFailure({ kind: "overflow" });
      return nothingToCancel;
    }
    const waiting = new PendingRequest(this, sink, callbacks);
    this.#pending.add(waiting);
    this.settings.stats.pendingTotal.inc();
    this.settings.stats.pendingActive.inc();
    this.#connectIfNeeded();
    return waiting;
  }

  withdraw(waiting: PendingRequest): void {
    this.#unqueue(waiting);
    this.settings.stats.requestCancelled.inc();
  }

  #unqueue(waiting: PendingRequest): void {
    if (!this.#pending.delete(waiting)) return;
    waiting.waiting = false;
    this.limits.release("pending");
    this.settings.stats.pendingActive.dec();
  }

  #give(connection: PooledConnection, sink: ResponseSink, callbacks: UpstreamCallbacks): void {
    if (!this.limits.tryTake("requests")) {
      this.settings.stats.requestActiveOverflow.inc();
      callbacks.onFailure({ kind: "overflow" });
      return;
    }
    const stream = connection.begin(sink);
    if (!connection.hasRoom) this.#unready(connection);
    callbacks.onReady(stream, connection);
  }

  #unready(connection: PooledConnection): void {
    if (!connection.ready) return;
    connection.ready = false;
    // Nearly always the last.
    if (this.#ready[this.#ready.length - 1] === connection) this.#ready.pop();
    else this.#ready.splice(this.#ready.indexOf(connection), 1);
  }

  #connectIfNeeded(): void {
    const wanted = Math.ceil(
      (this.#pending.size / this.#expectedStreams) * this.settings.preconnectRatio,
    );
    while (this.#connecting.size < wanted) {
      if (!hostHasRoom(this.host, this.settings) || !this.limits.tryTake("connections")) {
        this.settings.stats.connectionOverflow.inc();
        // One connection per pool is always allowed, or its requests would wait for ever.
        if (this.#all.size + this.#connecting.size > 0) return;
        this.#connecting.add(new ConnectAttempt(this, false));
        return;
      }
      this.#connecting.add(new ConnectAttempt(this, true));
    }
  }

  onConnected(attempt: ConnectAttempt, connection: Connection): void {
    this.#connecting.delete(attempt);
    const pooled = new PooledConnection(this, connection, attempt.counted);
    this.#all.add(pooled);
    // What ALPN brought the host will choose again.
    if (this.settings.protocol === undefined)
      this.#expectedStreams = pooled.protocol === 20 ? this.settings.expectedStreams : 1;
    this.onRoom(pooled);
    if (this.#pending.size > 0) this.#connectIfNeeded();
  }

  onConnectFailed(
    attempt: ConnectAttempt,
    failure: { kind: "connect-failure"; detail: string } | { kind: "connect-timeout" },
  ): void {
    this.#connecting.delete(attempt);
    if (attempt.counted) this.limits.release("connections");
    this.host.connectFailures++;
    // As in Envoy: every request that waits for this host fails with the connection, so that a retry can choose another host.
    for (const waiting of [...this.#pending]) {
      if (this.#pending.size <= this.#connecting.size) break;
      // One that failed before it may have taken it along.
      if (!waiting.waiting) continue;
      this.#unqueue(waiting);
      this.settings.stats.pendingFailureEject.inc();
      waiting.callbacks.onFailure({ ...failure, host: this.host });
    }
  }

  /** `connection` can take a request, or more than before. */
  onRoom(connection: PooledConnection): void {
    for (const waiting of this.#pending) {
      if (!connection.hasRoom) break;
      this.#unqueue(waiting);
      this.#give(connection, waiting.sink, waiting.callbacks);
    }
    if (this.#draining) connection.finish();
    else if (connection.hasRoom && !connection.ready) {
      connection.ready = true;
      this.#ready.push(connection);
    }
    // It may take fewer than were to wait for it.
    if (this.#pending.size > 0) this.#connectIfNeeded();
  }

  /** It takes no more requests: those that wait need another. */
  onClosing(connection: PooledConnection): void {
    this.#unready(connection);
  }

  onGone(connection: PooledConnection): void {
    this.#all.delete(connection);
    this.#unready(connection);
    if (connection.counted) this.limits.release("connections");
    if (this.#pending.size > 0) this.#connectIfNeeded();
  }

  /** The host has left: what runs may finish. */
  drain(): void {
    this.#draining = true;
    for (const connection of [...this.#all]) connection.finish();
  }

  /** Close everything now. */
  destroy(): void {
    this.drain();
    for (const connection of [...this.#all]) connection.close();
    for (const attempt of this.#connecting) attempt.abandon();
    this.#connecting.clear();
  }
}
