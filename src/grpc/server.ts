import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { Clock } from "#lib/clock.ts";
import type { KeepaliveOptions } from "#lib/keepalive.ts";
import type { Random } from "#lib/random.ts";
import type { Address } from "#net/address.ts";
import type { Connection } from "#net/connection.ts";
import { type ListeningSocket, type ListenOptions, listen } from "#net/listen.ts";
import { grpcHttp2Options } from "./http2-services.ts";
import { type FindMethod, type MethodHandler, ServerCall } from "./server-call.ts";
import { ServerConnection } from "./server-connection.ts";

export interface GrpcServerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Largest message accepted, after decompression; 4 MiB by default. */
  readonly messageBytesMax?: number;
  /** Connections at a time; those above are closed. 10,000 by default. */
  readonly connectionsMax?: number;
  /** Calls at a time on one connection; 1,000 by default. */
  readonly callsMax?: number;
  /** PINGs; none by default. */
  readonly keepalive?: KeepaliveOptions | undefined;
}

/** What waits for a slow client is better kept as the message it is part of, which many may share, than copied for its socket. */
const unsentMax = 128 * 1024;

/** The handlers of a service by method name as generated (`localName`). */
export type Implementation<S extends DescService> = {
  readonly [K in keyof S["method"]]?: MethodHandler<S["method"][K]>;
};

interface Registered {
  readonly method: DescMethod;
  readonly handler: MethodHandler<DescMethod>;
}

/** Serves gRPC methods on any number of sockets. A method without handler answers UNIMPLEMENTED. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #methods = new Map<string, Registered>();
  readonly #connections: Set<ServerConnection> = new Set();
  readonly #sockets: ListeningSocket[] = [];
  #closing: (() => void) | undefined;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
  }

  add<S extends DescService>(service: S, implementation: Implementation<S>): void {
    for (const method of service.methods) {
      // Proof: `Implementation<S>` pairs each method with a handler of its own types.
      const handler = implementation[method.localName as keyof S["method"]] as
        | MethodHandler<DescMethod>
        | undefined;
      if (handler !== undefined)
        this.#methods.set(`/${service.typeName}/${method.name}`, { method, handler });
    }
  }

  /** Calls under way. */
  get calls(): number {
    let calls = 0;
    for (const connection of this.#connections) calls += connection.calls;
    return calls;
  }

  /** Resolves with the address that was bound. */
  async listen(address: Address, options: ListenOptions = {}): Promise<Address> {
    const socket = await listen(address, options, (connection) => {
      this.accept(connection);
      connection.start();
    });
    this.#sockets.push(socket);
    return socket.address;
  }

  /** Serve a connection made elsewhere, such as one with TLS. */
  accept(connection: Connection): void {
    if (this.#connections.size >= (this.#options.connectionsMax ?? 10_000)) {
      connection.destroy();
      return;
    }
    connection.bufferLimit = unsentMax;
    const { clock, random, keepalive } = this.#options;
    const http2 = {
      ...grpcHttp2Options,
      maxConcurrentStreams: this.#options.callsMax ?? 1000,
    };
    const callOptions = {
      clock,
      messageBytesMax: this.#options.messageBytesMax ?? 4 * 1024 * 1024,
    };
    const find: FindMethod = (path) => this.#methods.get(path);
    const serverConnection = new ServerConnection(
      connection,
      { clock, random, keepalive, http2 },
      {
        onCall: (stream, onDone) => new ServerCall(connection, stream, callOptions, find, onDone),
        onGone: (gone) => this.#onGone(gone),
      },
    );
    this.#connections.add(serverConnection);
  }

  #onGone(connection: ServerConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#closing?.();
  }

  /** No new connections and calls; resolves when those that run are over, or are ended after `graceMs`. */
  async close(graceMs = 0): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.close();
    if (this.#connections.size === 0) return;
    const gone = new Promise<void>((resolve) => {
      this.#closing = resolve;
    });
    for (const connection of [...this.#connections]) connection.goAway();
    const end = this.#options.clock.after(graceMs, () => {
      for (const connection of [...this.#connections]) connection.destroy();
    });
    await gone;
    end.cancel();
  }
}
