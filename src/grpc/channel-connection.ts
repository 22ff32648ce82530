import type { DescMethod } from "@bufbuild/protobuf";
import { Http2ClientCodec, type Http2ClientHandler } from "#http/h2/client.ts";
import type { Clock } from "#lib/clock.ts";
import { Keepalive, type KeepaliveOptions } from "#lib/keepalive.ts";
import type { Random } from "#lib/random.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import type { ClientCall } from "./client-call.ts";
import { grpcHttp2Options, uncountedServices } from "./http2-services.ts";

export interface ChannelConnectionOwner {
  /** The server speaks HTTP/2. */
  onReady(): void;
  /** More calls can begin. */
  onRoom(): void;
  /** No more calls can begin. Called once; those that run go on, unless the connection is closed. */
  onGone(connection: ChannelConnection, detail: string): void;
  /** After `onGone`. */
  onClosed(connection: ChannelConnection): void;
}

export interface ChannelConnectionServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly keepalive: KeepaliveOptions | undefined;
}

/** One HTTP/2 connection of a channel. */
export class ChannelConnection implements ConnectionHandler, Http2ClientHandler {
  readonly #connection: Connection;
  readonly #owner: ChannelConnectionOwner;
  readonly #codec: Http2ClientCodec;
  readonly #keepalive: Keepalive | undefined;
  #active = 0;
  #ready = false;
  #gone = false;

  constructor(
    connection: Connection,
    services: ChannelConnectionServices,
    owner: ChannelConnectionOwner,
  ) {
    this.#connection = connection;
    this.#owner = owner;
    const { clock, random, keepalive } = services;
    connection.handler = this;
    this.#codec = new Http2ClientCodec(
      grpcHttp2Options,
      uncountedServices(clock),
      connection,
      this,
    );
    if (keepalive === undefined) return;
    const dead = { ping: () => this.#codec.ping(), onDead: () => this.#onDead() };
    this.#keepalive = new Keepalive(keepalive, dead, { clock, random });
  }

  get hasRoom(): boolean {
    return this.#ready && !this.#gone && this.#active < this.#codec.concurrency;
  }

  begin(call: ClientCall<DescMethod>): void {
    this.#active++;
    call.begin(this.#codec.newStream(call));
  }

  close(): void {
    this.#connection.closeAfterFlush();
  }

  #onDead(): void {
    this.giveUp("the server does not answer to PING");
  }

  giveUp(detail: string): void {
    this.#leave(detail);
    this.#connection.destroy();
  }

  #leave(detail: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#owner.onGone(this, detail);
  }

  // === The codec ===

  onStreamDone(): void {
    this.#active--;
    if (this.#gone && this.#active === 0) this.close();
    else if (this.hasRoom) this.#owner.onRoom();
  }

  onProtocolError(detail: string): void {
    this.#leave(detail);
    this.close();
  }

  onGoAway(): void {
    this.#leave("the server goes away");
    if (this.#active === 0) this.close();
  }

  onConcurrency(): void {
    if (this.hasRoom) this.#owner.onRoom();
  }

  onPong(): void {
    this.#keepalive?.onAnswer();
  }

  // === The connection ===

  onData(chunk: Uint8Array): void {
    this.#keepalive?.onHeard();
    this.#codec.feed(chunk);
    if (this.#ready || this.#gone) return;
    // Its SETTINGS are the first that may come.
    this.#ready = true;
    this.#owner.onReady();
  }

  onEnd(): void {
    this.#leave("the server has closed the connection");
    this.#codec.onEnd();
    this.close();
  }

  onWritable(): void {
    this.#codec.onWritable();
  }

  onUnwritable(): void {
    this.#codec.onUnwritable();
  }

  onClose(reason: CloseReason): void {
    this.#keepalive?.stop();
    this.#leave(reason.detail === "" ? "the connection is closed" : reason.detail);
    this.#codec.onEnd();
    this.#owner.onClosed(this);
  }
}
