import { Http1ClientCodec } from "#http/h1/client.ts";
import { Http2ClientCodec, type Http2ClientHandler } from "#http/h2/client.ts";
import type { ClientCodec, HttpVersion, RequestStream, ResponseSink } from "#http/message.ts";
import { Keepalive } from "#lib/keepalive.ts";
import { Timer } from "#lib/timers.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import type { Host } from "../cluster/host.ts";
import type { UpstreamConnection } from "../cluster/manager.ts";
import { countProtocol } from "./connect-attempt.ts";
import type { HttpPool } from "./http-pool.ts";

/** Timer of a connection's life; the connection's own is its idle time. */
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

/** A connection of a pool, with its codec. */
export class PooledConnection
  extends Timer
  implements ConnectionHandler, Http2ClientHandler, UpstreamConnection
{
  readonly counted: boolean;
  readonly connection: Connection;
  reused = false;
  /** Among the pool's connections that can take a request; kept by the pool. */
  ready = false;
  readonly #pool: HttpPool;
  readonly #codec: ClientCodec;
  readonly #life: LifeTimer | undefined;
  readonly #keepalive: Keepalive | undefined;
  readonly #bornMs: number;
  #active = 0;
  /** Still allowed by max_requests_per_connection. */
  #requestsLeft: number;
  /** No request after the current ones. */
  #closing = false;
  #gone = false;
  /** The peer has ended it, and that is counted. */
  #peerEnded = false;

  constructor(pool: HttpPool, connection: Connection, counted: boolean) {
    super();
    this.#pool = pool;
    this.connection = connection;
    this.counted = counted;
    const { settings, host } = pool;
    connection.handler = this;
    connection.bufferLimit = settings.bufferLimit;
    const protocol = settings.protocol ?? (connection.tls?.alpn === "h2" ? 20 : 11);
    this.#codec =
      protocol === 20
        ? new Http2ClientCodec(settings.http2.options, settings.http2.services, connection, this)
        : new Http1ClientCodec(settings.http1, connection, this);
    if (settings.protocol === undefined) countProtocol(settings.stats, this.#codec.protocol);
    this.#requestsLeft = settings.maxRequestsPerConnection || Number.POSITIVE_INFINITY;
    this.#bornMs = settings.now();
    settings.stats.connectionActive.inc();
    host.connectionsActive++;
    settings.idleTimeout?.arm(this);
    this.#keepalive = this.#beginKeepalive();
    if (settings.maxConnectionDuration !== undefined) {
      this.#life = new LifeTimer(() => this.#onOld());
      settings.maxConnectionDuration.arm(this.#life);
    }
  }

  #beginKeepalive(): Keepalive | undefined {
    const { http2, services } = this.#pool.settings;
    const { keepalive } = http2;
    const codec = this.#codec;
    if (keepalive === undefined || !(codec instanceof Http2ClientCodec)) return undefined;
    const owner = { ping: () => codec.ping(), onDead: () => this.#onDead() };
    return new Keepalive(keepalive, owner, services);
  }

  onPong(): void {
    this.#keepalive?.onAnswer();
  }

  #onDead(): void {
    this.#pool.settings.http2.services.stats.keepaliveTimeout.inc();
    this.close();
  }

  get host(): Host {
    return this.#pool.host;
  }

  get protocol(): HttpVersion {
    return this.#codec.protocol;
  }

  /** It can take one more request now. */
  get hasRoom(): boolean {
    return !this.#closing && !this.#gone && this.#active < this.#codec.concurrency;
  }

  /** Only while it has room. */
  begin(sink: ResponseSink): RequestStream {
    this.cancel();
    this.#keepalive?.beforeUse();
    const { settings, host } = this.#pool;
    this.#active++;
    host.requestsActive++;
    host.requestsTotal++;
    settings.stats.requestTotal.inc();
    settings.stats.requestActive.inc();
    if (--this.#requestsLeft === 0) {
      this.#closing = true;
      settings.stats.connectionMaxRequests.inc();
    }
    return this.#codec.newStream(sink);
  }

  /** Idle for too long. */
  onTimer(): void {
    this.#pool.settings.stats.connectionIdleTimeout.inc();
    this.close();
  }

  #onOld(): void {
    this.#pool.settings.stats.connectionMaxDuration.inc();
    this.finish();
  }

  close(): void {
    this.connection.destroy();
  }

  /** What runs ends, then the connection. */
  finish(): void {
    this.#closing = true;
    if (this.#active === 0) this.close();
    else this.#pool.onClosing(this);
  }

  onStreamDone(reusable: boolean): void {
    if (this.#active === 0) return;
    this.#active--;
    this.reused = true;
    this.#endRequest();
    if (this.#gone) return;
    if (!reusable) this.#closing = true;
    if (!this.#closing) {
      if (this.#active === 0) this.#pool.settings.idleTimeout?.arm(this);
      this.#pool.onRoom(this);
    } else if (this.#active === 0) this.connection.closeAfterFlush();
  }

  #endRequest(): void {
    const { settings, host, limits } = this.#pool;
    host.requestsActive--;
    settings.stats.requestActive.dec();
    limits.release("requests");
  }

  onConcurrency(): void {
    if (this.hasRoom) this.#pool.onRoom(this);
    else this.#pool.onClosing(this);
  }

  onProtocolError(_detail: string): void {
    this.#pool.settings.stats.protocolError.inc();
    // What HTTP/2 tells the peer (GOAWAY) is written already.
    this.#closing = true;
    this.#pool.onClosing(this);
    this.connection.closeAfterFlush();
  }

  onGoAway(): void {
    this.#pool.settings.stats.connectionCloseNotify.inc();
    this.finish();
  }

  onData(chunk: Uint8Array): void {
    this.#pool.settings.stats.bytesReceived.add(chunk.length);
    this.#keepalive?.onHeard();
    this.#codec.feed(chunk);
  }

  onEnd(): void {
    this.#peerEnded = true;
    this.#countEnd("remote");
    // What is written may leave later than a request comes.
    this.#closing = true;
    this.#pool.onClosing(this);
    this.#codec.onEnd();
    this.connection.closeAfterFlush();
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
    this.#keepalive?.stop();
    const { settings, host } = this.#pool;
    const { stats } = settings;
    stats.connectionDestroy.inc();
    stats.connectionActive.dec();
    stats.connectionLengthMs.record(settings.now() - this.#bornMs);
    stats.bytesSent.add(this.connection.bytesSent);
    host.connectionsActive--;
    if (!this.#peerEnded) this.#countEnd(reason.kind === "local" ? "local" : "remote");
    this.#codec.onEnd();
    this.#pool.onGone(this);
  }

  #countEnd(by: "local" | "remote"): void {
    const { stats } = this.#pool.settings;
    const isLocal = by === "local";
    (isLocal ? stats.connectionDestroyLocal : stats.connectionDestroyRemote).inc();
    if (this.#active === 0) return;
    (isLocal ? stats.connectionDestroyLocalActive : stats.connectionDestroyRemoteActive).inc();
  }
}
