import { ByteMeter } from "#http/byte-meter.ts";
import { Http1ServerCodec } from "#http/h1/server.ts";
import { Detail, isFlood, isOverflow } from "#http/h2/details.ts";
import { Http2ServerCodec, type Http2ServerHandler } from "#http/h2/server.ts";
import type { HttpVersion, RequestSink, ResponseStream, ServerCodec } from "#http/message.ts";
import { Keepalive } from "#lib/keepalive.ts";
import { Roster } from "#lib/roster.ts";
import { Timer } from "#lib/timers.ts";
import type { Connection } from "#net/connection.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { NetworkFilter, NetworkStream, NetworkVerdict } from "../filter.ts";
import { ActiveStream } from "./active-stream.ts";
import { negotiate } from "./negotiate.ts";
import type { ManagerSettings } from "./settings.ts";

/** Calls a function when its time comes; for the few timers of a connection that are not its idle timer. */
class CallTimer extends Timer {
  readonly #call: () => void;

  constructor(call: () => void) {
    super();
    this.#call = call;
  }

  onTimer(): void {
    this.#call();
  }
}

/**
 * Open: serves. Draining: says `connection: close` on its next answer. Lingering: the last answer is written and our FIN sent; what
 * the peer still sends is thrown away, so that its kernel does not reset the answer away (RFC 9112 §9.6). Closing: by us, at once.
 */
type State = "open" | "draining" | "lingering" | "closing" | "closed";

/** HTTP on one downstream connection. Its own timer is the idle timer: armed while no stream is active. */
export class ConnectionManager extends Timer implements NetworkFilter, Http2ServerHandler {
  readonly settings: ManagerSettings;
  readonly network: NetworkStream;
  readonly connection: Connection;
  /** Undefined until the first bytes show which HTTP it is. */
  #codec: ServerCodec | undefined;
  /** The same, when it is HTTP/1. */
  #http1: Http1ServerCodec | undefined;
  /** The same, when it is HTTP/2. */
  #http2: Http2ServerCodec | undefined;
  #keepalive: Keepalive | undefined;
  /** Bytes that may still become either. */
  #undecided: Uint8Array | undefined;
  /** The client has sent its FIN. */
  #peerEnded = false;
  /** What streams say that end with the connection. */
  #lostBy = "downstream_remote_disconnect";
  #state: State = "open";
  /** Those not over yet; HTTP/1 has one at a time. */
  readonly #streams: Roster<ActiveStream> = new Roster();
  #requests = 0;
  readonly #bornMs: number;
  #lifeTimer: CallTimer | undefined;
  #lingerTimer: CallTimer | undefined;
  #headTimer: CallTimer | undefined;
  #drainTimer: CallTimer | undefined;
  #flushTimer: CallTimer | undefined;

  constructor(settings: ManagerSettings, network: NetworkStream) {
    super();
    this.settings = settings;
    this.network = network;
    this.connection = network.connection;
    this.#bornMs = settings.services.clock.monotonicMs();
    const { stats } = settings;
    stats.connectionTotal.inc();
    stats.connectionActive.inc();
    if (this.connection.tls !== undefined) {
      stats.connectionSslTotal.inc();
      stats.connectionSslActive.inc();
    }
    settings.idleTimeout?.arm(this);
    if (settings.maxConnectionDuration !== undefined) {
      this.#lifeTimer = new CallTimer(() => this.#onOld());
      settings.maxConnectionDuration.arm(this.#lifeTimer);
    }
  }

  get protocol(): HttpVersion {
    return this.#codec?.protocol ?? 11;
  }

  get lastRequest(): boolean {
    const { maxRequestsPerConnection } = this.settings;
    return maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection;
  }

  onData(chunk: Uint8Array, end: boolean): NetworkVerdict {
    if (this.#state === "lingering") {
      if (end) this.connection.destroy();
      return "park";
    }
    if (chunk.length > 0) this.#feed(chunk);
    if (end) this.#onPeerEnd();
    return "park";
  }

  #feed(chunk: Uint8Array): void {
    this.settings.stats.bytesReceived.add(chunk.length);
    const codec = this.#codec ?? this.#decide(chunk);
    if (codec === undefined) return;
    // The time for a request's head begins with its first byte.
    if (
      this.#streams.size === 0 &&
      this.#headTimer === undefined &&
      this.settings.requestHeadersTimeout !== undefined &&
      this.#http1 !== undefined
    )
      this.#armHeadTimer();
    this.#keepalive?.onHeard();
    const undecided = this.#undecided;
    this.#undecided = undefined;
    codec.feed(undecided === undefined ? chunk : Buffer.concat([undecided, chunk]));
  }

  /** Which HTTP it is; undefined: too few bytes to tell. */
  #decide(chunk: Uint8Array): ServerCodec | undefined {
    const { settings, connection } = this;
    if (settings.services.overload.shedsBeforeCodec()) {
      settings.stats.requestOverloadClose.inc();
      this.#linger();
      return undefined;
    }
    const undecided = this.#undecided;
    const seen = undecided === undefined ? chunk : Buffer.concat([undecided, chunk]);
    const version = negotiate(settings.codecType, connection.tls?.alpn, seen);
    if (version === undefined) this.#undecided = new Uint8Array(seen);
    else if (version === 20) this.#codec = this.#beginHttp2();
    else {
      settings.stats.connectionHttp1Total.inc();
      settings.stats.connectionHttp1Active.inc();
      const secure = connection.tls !== undefined;
      this.#http1 = new Http1ServerCodec({ ...settings.http1, secure }, connection, this);
      this.#codec = this.#http1;
    }
    return this.#codec;
  }

  #beginHttp2(): Http2ServerCodec {
    const { settings, connection } = this;
    const { stats, services, http2 } = settings;
    stats.connectionHttp2Total.inc();
    stats.connectionHttp2Active.inc();
    const codec = new Http2ServerCodec(http2.options, http2.services, connection, this);
    this.#http2 = codec;
    if (http2.keepalive !== undefined) {
      const owner = { ping: () => codec.ping(), onDead: () => this.#onDead() };
      this.#keepalive = new Keepalive(http2.keepalive, owner, services);
    }
    return codec;
  }

  onPong(): void {
    this.#keepalive?.onAnswer();
  }

  #onDead(): void {
    this.settings.http2.services.stats.keepaliveTimeout.inc();
    this.#lostBy = "downstream_local_disconnect(http2_ping_timeout)";
    this.#destroy();
  }

  #armHeadTimer(): void {
    this.#headTimer = new CallTimer(() => {
      this.#headTimer = undefined;
      if (this.#streams.size > 0) return;
      this.settings.stats.requestHeaderTimeout.inc();
      this.#refuseWith(408, "request_header_timeout", "request header timeout");
    });
    this.settings.requestHeadersTimeout?.arm(this.#headTimer);
  }

  /** A refusal for a request whose head never became whole. */
  #refuseWith(status: number, details: string, body: string): void {
    this.onProtocolErrorReply(status, details, body, 0);
  }

  #onPeerEnd(): void {
    this.#peerEnded = true;
    // All its streams end now.
    if (this.#http2 !== undefined && this.#streams.size > 0) this.#countLostRequest();
    this.#codec?.onEnd();
    if (this.#streams.size === 0 && this.#state !== "closed") this.connection.closeAfterFlush();
  }

  onStream(stream: ResponseStream): RequestSink {
    this.cancel();
    this.#headTimer?.cancel();
    this.#headTimer = undefined;
    this.#requests++;
    if (this.lastRequest) {
      this.settings.stats.connectionMaxRequests.inc();
      this.#lastRequests();
    }
    const active = new ActiveStream(this, stream);
    this.#streams.add(active);
    return active;
  }

  onProtocolError(stream: ResponseStream, status: number, detail: string): void {
    const active = this.onStream(stream) as ActiveStream;
    if (status !== 426) {
      this.settings.stats.connectionProtocolError.inc();
      this.settings.stats.requestReceiveReset.inc();
    }
    active.refuseUnread(status, detail);
  }

  onProtocolErrorReply(status: number, details: string, body: string, flags: number): void {
    if (this.#http1 === undefined) return;
    const active = this.onStream(this.#http1) as ActiveStream;
    this.#http1.goAway();
    active.reply({ status, details, body, flags, close: true });
  }

  /** HTTP/2: no stream came of it, but it is logged as a request. */
  onRefusedHead(detail: string): void {
    const active = this.onStream(noStream) as ActiveStream;
    active.onReset(isOverflow(detail) ? "overflow" : "protocol", detail);
  }

  /** HTTP/2: GOAWAY with the reason is written, every stream has been told. */
  onConnectionError(detail: string): void {
    const { stats } = this.settings;
    if (detail === Detail.prematureResets) stats.requestTooManyPrematureResets.inc();
    if (!isFlood(detail)) stats.connectionProtocolError.inc();
    this.#linger();
  }

  /** The stream is over and logged. */
  onStreamDone(stream: ActiveStream, aborted: boolean): void {
    if (!this.#streams.remove(stream)) return;
    if (this.#state === "closed") return;
    if (aborted && this.#http1 !== undefined) {
      if (this.#peerEnded) this.#countLostRequest();
      this.#destroy();
      return;
    }
    const flushing = this.#http2 !== undefined && this.#http2.active > this.#streams.size;
    if (flushing) this.#watchFlush(this.#http2);
    if (this.#streams.size > 0) return;
    if (this.#codec?.closing === true) {
      if (!flushing) this.#linger();
    } else if (this.#state === "draining" && this.#http1 !== undefined) this.#close();
    else this.settings.idleTimeout?.arm(this);
  }

  /** Answers that are over for us wait in the codec for the client's windows: not longer than a stream may be idle. */
  #watchFlush(codec: Http2ServerCodec | undefined): void {
    const { streamFlush } = this.settings;
    if (codec === undefined || streamFlush === undefined || this.#flushTimer?.armed === true)
      return;
    this.#flushTimer ??= new CallTimer(() => {
      codec.resetStalled(streamFlush.currentMs);
      if (codec.active > this.#streams.size) this.#watchFlush(codec);
    });
    streamFlush.arm(this.#flushTimer);
  }

  onDrained(): void {
    if (this.#streams.size === 0) this.#linger();
  }

  /** An answer's head is about to leave. A proxy that drains or fails its health check sends its clients elsewhere. */
  beforeHead(): void {
    const { services, inbound, stats } = this.settings;
    const isOver = this.#state !== "open" || this.#drainTimer !== undefined;
    if (!isOver && services.overload.endsConnection())
      stats.connectionOverloadDisableKeepalive.inc();
    else if (isOver || !services.health.sendsAway(inbound, services)) return;
    stats.connectionDrainClose.inc();
    this.#lastRequests();
  }

  /** The answer that comes says that it is the last. A stream of HTTP/2 ends without its connection. */
  goAway(): void {
    this.#http1?.goAway();
  }

  /**
   * What runs may end. HTTP/1 says so with its next answer. HTTP/2 sends a GOAWAY without effect first and the real one after the drain
   * timeout, so that no request is lost that was on its way meanwhile (RFC 9113 §6.8).
   */
  #lastRequests(): void {
    if (this.#codec === undefined || this.#http1 !== undefined) {
      this.#http1?.goAway();
      return;
    }
    if (this.#drainTimer !== undefined) return;
    this.#codec.noticeGoAway();
    this.#drainTimer = new CallTimer(() => {
      this.#codec?.goAway();
      if (this.#codec?.active === 0) this.#linger();
    });
    const { drainTimeout } = this.settings;
    if (drainTimeout === undefined) this.#drainTimer.onTimer();
    else drainTimeout.arm(this.#drainTimer);
  }

  #linger(): void {
    if (this.#state !== "open" && this.#state !== "draining") return;
    this.cancel();
    const { delayedClose } = this.settings;
    if (delayedClose === undefined) {
      this.#close();
      return;
    }
    this.#state = "lingering";
    this.connection.shutdown();
    this.#lingerTimer = new CallTimer(() => {
      this.settings.stats.connectionDelayedClose.inc();
      this.connection.destroy();
    });
    delayedClose.arm(this.#lingerTimer);
  }

  #close(): void {
    this.#state = "closing";
    this.connection.closeAfterFlush();
  }

  #destroy(): void {
    this.#state = "closing";
    this.connection.destroy();
  }

  /** Idle for too long. */
  onTimer(): void {
    this.settings.stats.connectionIdleTimeout.inc();
    this.#retire();
  }

  #onOld(): void {
    this.settings.stats.connectionMaxDuration.inc();
    if (this.settings.http1SafeDuration && this.#http1 !== undefined) this.#http1.goAway();
    else this.#retire();
  }

  /**
   * No reason to hurry: a request that is on its way is still served, and told that it was the last; without one the connection ends
   * after the drain timeout.
   */
  #retire(): void {
    if (this.#codec === undefined) this.#close();
    else if (this.#http1 === undefined) this.#lastRequests();
    else if (this.#drainTimer === undefined) {
      this.#http1.goAway();
      this.#drainTimer = new CallTimer(() => {
        if (this.#streams.size === 0) this.#close();
      });
      const { drainTimeout } = this.settings;
      if (drainTimeout === undefined) this.#drainTimer.onTimer();
      else drainTimeout.arm(this.#drainTimer);
    }
  }

  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.settings.stats.connectionDrainClose.inc();
    this.#lastRequests();
    if (this.#streams.size === 0 && this.protocol !== 20) this.#close();
  }

  onWritable(): void {
    this.#codec?.onWritable();
  }

  onUnwritable(): void {
    this.#codec?.onUnwritable();
  }

  /** The client went away from a request that ran. */
  #countLostRequest(): void {
    this.settings.stats.connectionDestroyActive.inc();
    this.settings.stats.connectionDestroyRemoteActive.inc();
  }

  onClose(): void {
    const wasActive = this.#streams.size > 0;
    const byUs = !this.#peerEnded && (this.#state === "lingering" || this.#state === "closing");
    this.#state = "closed";
    this.cancel();
    this.#lifeTimer?.cancel();
    this.#lingerTimer?.cancel();
    this.#headTimer?.cancel();
    this.#drainTimer?.cancel();
    this.#flushTimer?.cancel();
    this.#keepalive?.stop();
    const { stats, services } = this.settings;
    stats.connectionActive.dec();
    if (this.connection.tls !== undefined) stats.connectionSslActive.dec();
    if (this.#http1 !== undefined) stats.connectionHttp1Active.dec();
    else if (this.#codec !== undefined) stats.connectionHttp2Active.dec();
    stats.connectionDestroy.inc();
    stats.connectionLengthMs.record(services.clock.monotonicMs() - this.#bornMs);
    stats.bytesSent.add(this.connection.bytesSent);
    if (byUs) stats.connectionDestroyLocal.inc();
    else stats.connectionDestroyRemote.inc();
    if (!wasActive) {
      // A pipelined request that still waits for its turn must not begin now.
      this.#codec?.onEnd();
      return;
    }
    if (byUs) {
      stats.connectionDestroyActive.inc();
      stats.connectionDestroyLocalActive.inc();
    } else this.#countLostRequest();
    for (const stream of this.#streams.values())
      stream.onConnectionLost(ResponseFlag.downstreamConnectionTermination, this.#lostBy);
    this.#codec?.onEnd();
  }
}

const nothing = (): void => {};

/** Of a request that the codec has ended already. */
const noStream: ResponseStream = {
  meter: new ByteMeter(),
  sendInformational: nothing,
  sendHead: nothing,
  sendData: nothing,
  sendTrailers: nothing,
  reset: nothing,
  pause: nothing,
  resume: nothing,
};
