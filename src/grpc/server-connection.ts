import type { Http2Options } from "#http/h2/http2-options.ts";
import { Http2ServerCodec, type Http2ServerHandler } from "#http/h2/server.ts";
import type { RequestSink, ResponseStream } from "#http/message.ts";
import type { Clock } from "#lib/clock.ts";
import { Keepalive, type KeepaliveOptions } from "#lib/keepalive.ts";
import type { Random } from "#lib/random.ts";
import type { Connection, ConnectionHandler } from "#net/connection.ts";
import { dispatch } from "#net/raw-connection.ts";
import { uncountedServices } from "./http2-services.ts";

export interface ServerConnectionServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly keepalive: KeepaliveOptions | undefined;
  readonly http2: Http2Options;
}

export interface ServerConnectionOwner {
  /** A call begins; `onDone` is to be called when its status has been sent, or it has been reset. */
  onCall(stream: ResponseStream, onDone: () => void): RequestSink;
  onGone(connection: ServerConnection): void;
}

/** One client's HTTP/2 connection. */
export class ServerConnection implements ConnectionHandler, Http2ServerHandler {
  readonly #connection: Connection;
  readonly #owner: ServerConnectionOwner;
  readonly #codec: Http2ServerCodec;
  readonly #keepalive: Keepalive | undefined;
  #calls = 0;

  constructor(
    connection: Connection,
    services: ServerConnectionServices,
    owner: ServerConnectionOwner,
  ) {
    this.#connection = connection;
    this.#owner = owner;
    const { clock, random, keepalive, http2 } = services;
    connection.handler = this;
    this.#codec = new Http2ServerCodec(http2, uncountedServices(clock), connection, this);
    if (keepalive === undefined) return;
    const dead = { ping: () => this.#codec.ping(), onDead: () => connection.destroy() };
    this.#keepalive = new Keepalive(keepalive, dead, { clock, random });
  }

  /** Calls under way. */
  get calls(): number {
    return this.#calls;
  }

  /** No new calls; the connection ends with the last of those that run. */
  goAway(): void {
    dispatch(() => {
      this.#codec.goAway();
      if (this.#codec.active === 0) this.#connection.closeAfterFlush();
    });
  }

  destroy(): void {
    this.#connection.destroy();
  }

  // === The codec ===

  onStream(stream: ResponseStream): RequestSink {
    this.#calls++;
    return this.#owner.onCall(stream, () => {
      this.#calls--;
    });
  }

  /** A call's last bytes may have waited for the client's window after it was done. */
  onDrained(): void {
    this.#connection.closeAfterFlush();
  }

  onProtocolError(): void {}

  onConnectionError(): void {
    this.#connection.closeAfterFlush();
  }

  onPong(): void {
    this.#keepalive?.onAnswer();
  }

  // === The connection ===

  onData(chunk: Uint8Array): void {
    this.#keepalive?.onHeard();
    this.#codec.feed(chunk);
  }

  onEnd(): void {
    this.#codec.onEnd();
    this.#connection.closeAfterFlush();
  }

  onWritable(): void {
    this.#codec.onWritable();
  }

  onUnwritable(): void {
    this.#codec.onUnwritable();
  }

  onClose(): void {
    this.#keepalive?.stop();
    this.#codec.onEnd();
    this.#owner.onGone(this);
  }
}
