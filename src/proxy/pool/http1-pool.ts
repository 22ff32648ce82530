import { Http1ClientCodec, type Http1ClientOptions } from "#http/h1/client.ts";
import type { ClientCodecHandler, ResponseSink } from "#http/message.ts";
import { Timer, type TimerList } from "#lib/timers.ts";
import type { Address } from "#net/address.ts";
import { type ConnectOptions, connect, type PendingConnect } from "#net/connect.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import type { ClusterStats } from "../cluster/cluster-stats.ts";
import type { Host } from "../cluster/host.ts";
import type { UpstreamCallbacks, UpstreamStream } from "../cluster/manager.ts";

/** The part of a circuit breaker that a pool asks. */
export interface PoolLimits {
  tryTake(resource: "connections" | "pending" | "requests"): boolean;
  release(resource: "connections" | "pending" | "requests"): void;
}

/** What every pool of a cluster shares. */
export interface PoolSettings {
  readonly codec: Http1ClientOptions;
  readonly connect: ConnectOptions;
  readonly stats: ClusterStats;
  readonly connectTimeout: TimerList | undefined;
  readonly idleTimeout: TimerList | undefined;
  readonly maxConnectionDuration: TimerList | undefined;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  readonly bufferLimit: number;
  /** Connections to make per connection needed (Envoy's per_upstream_preconnect_ratio), ≥ 1. */
  readonly preconnectRatio: number;
  /** Bytes to send first on each connection (upstream PROXY protocol), from the downstream's addresses; undefined: none. */
  readonly now: () => number;
}

/** A request that waits for a connection; links make withdrawal cost nothing. */
class PendingRequest {
  readonly pool: Http1Pool;
  readonly sink: ResponseSink;
  readonly callbacks: UpstreamCallbacks;
  waiting = true;

  constructor(pool: Http1Pool, sink: ResponseSink, callbacks: UpstreamCallbacks) {
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
 * HTTP/1 connections to one host at one priority: each serves one request at a time; the one used last is used first, so
 * that those not needed grow old and are closed.
 */
export class Http1Pool {
  readonly host: Host;
  readonly settings: PoolSettings;
  readonly limits: PoolLimits;
  readonly #idle: PooledConnection[] = [];
  readonly #all: Set<PooledConnection> = new Set();
  readonly #connecting: Set<ConnectAttempt> = new Set();
  /** Limited by the circuit breaker's pending requests. */
  readonly #pending: Set<PendingRequest> = new Set();
  #draining = false;

  constructor(host: Host, settings: PoolSettings, limits: PoolLimits) {
    this.host = host;
    this.settings = settings;
    this.limits = limits;
  }

  get empty(): boolean {
    return this.#all.size === 0 && this.#connecting.size === 0 && this.#pending.size === 0;
  }

  /** A stream now, or when a connection is there. */
  request(sink: ResponseSink, callbacks: UpstreamCallbacks): { cancel(): void } {
    const ready = this.#idle.pop();
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
      this.#idle.push(connection);
      this.settings.stats.requestActiveOverflow.inc();
      callbacks.onFailure({ kind: "overflow" });
      return;
    }
    callbacks.onReady(connection.begin(sink));
  }

  #connectIfNeeded(): void {
    const wanted = Math.ceil(this.#pending.size * this.settings.preconnectRatio);
    while (this.#connecting.size < wanted) {
      if (!this.limits.tryTake("connections")) {
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
    this.onFree(pooled);
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
      this.#unqueue(waiting);
      this.settings.stats.pendingFailureEject.inc();
      waiting.callbacks.onFailure({ ...failure, host: this.host });
    }
  }

  /** `connection` can serve a request. */
  onFree(connection: PooledConnection): void {
    for (const waiting of this.#pending) {
      this.#unqueue(waiting);
      this.#give(connection, waiting.sink, waiting.callbacks);
      if (connection.busy) return;
      // The request limit refused it: it has been put among the idle ones.
      this.#idle.pop();
    }
    if (this.#draining) {
      connection.close();
      return;
    }
    connection.armIdle();
    this.#idle.push(connection);
  }

  onGone(connection: PooledConnection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    if (connection.counted) this.limits.release("connections");
    if (this.#pending.size > 0) this.#connectIfNeeded();
  }

  /** The host has left: what runs may finish. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  /** Close everything now. */
  destroy(): void {
    this.drain();
    for (const connection of [...this.#all]) connection.close();
    for (const attempt of this.#connecting) attempt.abandon();
    this.#connecting.clear();
  }
}

/** One connection being made. */
class ConnectAttempt extends Timer {
  readonly counted: boolean;
  readonly #pool: Http1Pool;
  readonly #pending: PendingConnect;
  readonly #startMs: number;

  constructor(pool: Http1Pool, counted: boolean) {
    super();
    this.#pool = pool;
    this.counted = counted;
    const { settings, host } = pool;
    settings.stats.connectionTotal.inc();
    settings.stats.connectionHttp1Total.inc();
    host.connectionsTotal++;
    this.#startMs = settings.now();
    settings.connectTimeout?.arm(this);
    this.#pending = connect(upstreamAddress(host), settings.connect, {
      onConnect: (connection) => {
        this.cancel();
        settings.stats.connectMs.record(settings.now() - this.#startMs);
        pool.onConnected(this, connection);
      },
      onError: (detail) => {
        this.cancel();
        settings.stats.connectFail.inc();
        pool.onConnectFailed(this, { kind: "connect-failure", detail });
      },
    });
  }

  onTimer(): void {
    this.#pending.cancel();
    const { stats } = this.#pool.settings;
    stats.connectFail.inc();
    stats.connectTimeout.inc();
    this.#pool.onConnectFailed(this, { kind: "connect-timeout" });
  }

  abandon(): void {
    this.cancel();
    this.#pending.cancel();
    if (this.counted) this.#pool.limits.release("connections");
  }
}

function upstreamAddress(host: Host): Address {
  return host.address;
}

/** Timer of a connection's idle time; the other one is for its life. */
class LifeTimer extends Timer {
  readonly #expired: () => void;

  constructor(expired: () => void) {
    super();
    this.#expired = expired;
  }

  onTimer(): void {
    this.#expired();
  }
}

class PooledConnection extends Timer implements ConnectionHandler, ClientCodecHandler {
  readonly counted: boolean;
  busy = false;
  readonly #pool: Http1Pool;
  readonly #connection: Connection;
  readonly #codec: Http1ClientCodec;
  readonly #life: LifeTimer | undefined;
  readonly #upstream: Omit<UpstreamStream, "stream">;
  readonly #bornMs: number;
  #requests = 0;
  /** No request after the current one. */
  #closing = false;
  #gone = false;

  constructor(pool: Http1Pool, connection: Connection, counted: boolean) {
    super();
    this.#pool = pool;
    this.#connection = connection;
    this.counted = counted;
    const { settings, host } = pool;
    connection.handler = this;
    connection.bufferLimit = settings.bufferLimit;
    this.#codec = new Http1ClientCodec(settings.codec, connection, this);
    this.#upstream = { host, connection, protocol: 11 };
    this.#bornMs = settings.now();
    settings.stats.connectionActive.inc();
    host.connectionsActive++;
    if (settings.maxConnectionDuration !== undefined) {
      this.#life = new LifeTimer(() => this.#onOld());
      settings.maxConnectionDuration.arm(this.#life);
    }
  }

  begin(sink: ResponseSink): UpstreamStream {
    this.cancel();
    this.busy = true;
    const { settings, host } = this.#pool;
    host.requestsActive++;
    host.requestsTotal++;
    settings.stats.requestTotal.inc();
    settings.stats.requestActive.inc();
    if (++this.#requests === settings.maxRequestsPerConnection) {
      this.#closing = true;
      settings.stats.connectionMaxRequests.inc();
    }
    return { stream: this.#codec.newStream(sink), ...this.#upstream };
  }

  armIdle(): void {
    this.#pool.settings.idleTimeout?.arm(this);
  }

  /** Idle for too long. */
  onTimer(): void {
    this.#pool.settings.stats.connectionIdleTimeout.inc();
    this.close();
  }

  #onOld(): void {
    this.#pool.settings.stats.connectionMaxDuration.inc();
    if (this.busy) this.#closing = true;
    else this.close();
  }

  close(): void {
    this.#connection.destroy();
  }

  onStreamDone(reusable: boolean): void {
    if (!this.busy) return;
    this.busy = false;
    this.#endRequest();
    if (this.#gone) return;
    if (!reusable || this.#closing) this.#connection.closeAfterFlush();
    else this.#pool.onFree(this);
  }

  #endRequest(): void {
    const { settings, host, limits } = this.#pool;
    host.requestsActive--;
    settings.stats.requestActive.dec();
    limits.release("requests");
  }

  onProtocolError(_detail: string): void {
    this.#pool.settings.stats.protocolError.inc();
    this.#connection.destroy();
  }

  onGoAway(): void {
    this.#closing = true;
  }

  onData(chunk: Uint8Array): void {
    const stats = this.#pool.settings.stats;
    stats.bytesReceived.add(chunk.length);
    this.#codec.feed(chunk);
  }

  onEnd(): void {
    const stats = this.#pool.settings.stats;
    stats.connectionDestroyRemote.inc();
    if (this.busy) stats.connectionDestroyRemoteActive.inc();
    this.#codec.onEnd();
    this.#connection.closeAfterFlush();
  }

  onWritable(): void {
    this.#codec.onWritable();
  }

  onUnwritable(): void {
    this.#pool.settings.stats.flowControlBackedUp.inc();
    this.#codec.onUnwritable();
  }

  onClose(reason: CloseReason): void {
    this.#gone = true;
    this.cancel();
    this.#life?.cancel();
    const { settings, host } = this.#pool;
    const { stats } = settings;
    stats.connectionDestroy.inc();
    stats.connectionActive.dec();
    stats.connectionLengthMs.record(settings.now() - this.#bornMs);
    stats.bytesSent.add(this.#connection.bytesSent);
    host.connectionsActive--;
    if (reason.kind === "local") stats.connectionDestroyLocal.inc();
    else stats.connectionDestroyRemote.inc();
    if (this.busy && reason.kind !== "local") stats.connectionDestroyRemoteActive.inc();
    else if (this.busy) stats.connectionDestroyLocalActive.inc();
    this.#codec.onEnd();
    this.#pool.onGone(this);
  }
}
