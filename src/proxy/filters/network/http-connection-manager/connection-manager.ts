import { Http1ServerCodec } from "#http/h1/server.ts";
import type {
  RequestSink,
  ResponseStream,
  ServerCodec,
  ServerCodecHandler,
} from "#http/message.ts";
import { Timer } from "#lib/timers.ts";
import type { Connection } from "#net/connection.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { NetworkFilter, NetworkStream, NetworkVerdict } from "../filter.ts";
import { ActiveStream } from "./active-stream.ts";
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
 * the peer still sends is thrown away, so that its kernel does not reset the answer away (RFC 9112 §9.6).
 */
type State = "open" | "draining" | "lingering" | "closed";

/** HTTP on one downstream connection. Its own timer is the idle timer: armed while no stream is active. */
export class ConnectionManager extends Timer implements NetworkFilter, ServerCodecHandler {
  readonly settings: ManagerSettings;
  readonly network: NetworkStream;
  readonly connection: Connection;
  readonly #codec: ServerCodec;
  #state: State = "open";
  /** Those not over yet; HTTP/1 has one at a time. */
  readonly #streams: Set<ActiveStream> = new Set();
  #requests = 0;
  readonly #bornMs: number;
  #lifeTimer: CallTimer | undefined;
  #lingerTimer: CallTimer | undefined;
  #headTimer: CallTimer | undefined;

  constructor(settings: ManagerSettings, network: NetworkStream) {
    super();
    this.settings = settings;
    this.network = network;
    this.connection = network.connection;
    this.#codec = new Http1ServerCodec(
      { ...settings.http1, secure: network.connection.tls !== undefined },
      network.connection,
      this,
    );
    this.#bornMs = settings.services.clock.monotonicMs();
    const { stats } = settings;
    stats.connectionTotal.inc();
    stats.connectionHttp1Total.inc();
    stats.connectionActive.inc();
    stats.connectionHttp1Active.inc();
    settings.idleTimeout?.arm(this);
    if (settings.maxConnectionDuration !== undefined) {
      this.#lifeTimer = new CallTimer(() => this.#onOld());
      settings.maxConnectionDuration.arm(this.#lifeTimer);
    }
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
    if (chunk.length > 0) {
      this.settings.stats.bytesReceived.add(chunk.length);
      // The time for a request's head begins with its first byte.
      if (
        this.#streams.size === 0 &&
        this.#headTimer === undefined &&
        this.settings.requestHeadersTimeout !== undefined
      )
        this.#armHeadTimer();
      this.#codec.feed(chunk);
    }
    if (end) this.#onPeerEnd();
    return "park";
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
    this.#codec.onEnd();
    if (this.#streams.size === 0 && this.#state !== "closed") this.connection.closeAfterFlush();
  }

  onStream(stream: ResponseStream): RequestSink {
    this.cancel();
    this.#headTimer?.cancel();
    this.#headTimer = undefined;
    this.#requests++;
    if (this.lastRequest) {
      this.settings.stats.connectionMaxRequests.inc();
      this.#codec.goAway();
    } else if (this.settings.services.health.failed) {
      // A proxy that fails its health check sends its clients elsewhere, as Envoy's drain manager does.
      this.settings.stats.connectionDrainClose.inc();
      this.#codec.goAway();
    }
    const active = new ActiveStream(this, stream);
    this.#streams.add(active);
    return active;
  }

  onProtocolError(stream: ResponseStream, status: number, detail: string): void {
    const active = this.onStream(stream) as ActiveStream;
    if (status !== 426) this.settings.stats.connectionProtocolError.inc();
    active.refuseUnread(status, detail);
  }

  onProtocolErrorReply(status: number, details: string, body: string, flags: number): void {
    const active = this.onStream(this.#codec as unknown as ResponseStream) as ActiveStream;
    this.#codec.goAway();
    active.reply({ status, details, body, flags, close: true });
  }

  /** The stream is over and logged. */
  onStreamDone(stream: ActiveStream, aborted: boolean): void {
    if (!this.#streams.delete(stream)) return;
    if (this.#state === "closed") return;
    if (aborted) {
      this.connection.destroy();
      return;
    }
    if (this.#codec.closing) this.#linger();
    else if (this.#state === "draining") this.#close();
    else this.settings.idleTimeout?.arm(this);
  }

  /** The next answer says that it is the last. */
  goAway(): void {
    this.#codec.goAway();
  }

  #linger(): void {
    if (this.#state === "lingering" || this.#state === "closed") return;
    this.#state = "lingering";
    this.cancel();
    const { delayedClose } = this.settings;
    if (delayedClose === undefined) {
      this.connection.closeAfterFlush();
      return;
    }
    this.connection.shutdown();
    this.#lingerTimer = new CallTimer(() => {
      this.settings.stats.connectionDelayedClose.inc();
      this.connection.destroy();
    });
    delayedClose.arm(this.#lingerTimer);
  }

  #close(): void {
    this.connection.closeAfterFlush();
  }

  /** Idle for too long. */
  onTimer(): void {
    this.settings.stats.connectionIdleTimeout.inc();
    this.#close();
  }

  #onOld(): void {
    this.settings.stats.connectionMaxDuration.inc();
    this.drain();
  }

  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.settings.stats.connectionDrainClose.inc();
    this.#codec.goAway();
    if (this.#streams.size === 0) this.#close();
  }

  onWritable(): void {
    this.#codec.onWritable();
  }

  onUnwritable(): void {
    this.#codec.onUnwritable();
  }

  onClose(): void {
    const wasActive = this.#streams.size > 0;
    const lingering = this.#state === "lingering";
    this.#state = "closed";
    this.cancel();
    this.#lifeTimer?.cancel();
    this.#lingerTimer?.cancel();
    this.#headTimer?.cancel();
    const { stats, services } = this.settings;
    stats.connectionActive.dec();
    stats.connectionHttp1Active.dec();
    stats.connectionDestroy.inc();
    stats.connectionLengthMs.record(services.clock.monotonicMs() - this.#bornMs);
    stats.bytesSent.add(this.connection.bytesSent);
    if (lingering) stats.connectionDestroyLocal.inc();
    else stats.connectionDestroyRemote.inc();
    if (!wasActive) {
      // A pipelined request that still waits for its turn must not begin now.
      this.#codec.onEnd();
      return;
    }
    stats.connectionDestroyActive.inc();
    stats.connectionDestroyRemoteActive.inc();
    for (const stream of this.#streams)
      stream.onConnectionLost(ResponseFlag.downstreamConnectionTermination);
    this.#codec.onEnd();
  }
}
