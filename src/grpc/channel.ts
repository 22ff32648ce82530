import type { DescMethod, MessageShape } from "@bufbuild/protobuf";
import type { HeaderList } from "#http/headers.ts";
import { Backoff, type BackoffOptions, grpcBackoff } from "#lib/backoff.ts";
import type { Clock } from "#lib/clock.ts";
import type { KeepaliveOptions } from "#lib/keepalive.ts";
import type { Random } from "#lib/random.ts";
import type { connect, PendingConnect } from "#net/connect.ts";
import type { Connection } from "#net/connection.ts";
import { dispatch } from "#net/raw-connection.ts";
import { ChannelConnection, type ChannelConnectionOwner } from "./channel-connection.ts";
import {
  type CallChannel,
  type CallOptions,
  ClientCall,
  type ClientCallEvents,
} from "./client-call.ts";
import { GrpcCode, GrpcError, type GrpcStatus } from "./status.ts";

/** Makes the connection: plain (`connect` of net) or TLS. */
export type MakeConnection = (callbacks: Parameters<typeof connect>[2]) => PendingConnect;

export interface ChannelOptions {
  readonly connect: MakeConnection;
  /** The `:authority` of its calls. */
  readonly authority: string;
  readonly scheme?: "http" | "https";
  readonly clock: Clock;
  readonly random: Random;
  /** Give up a connection attempt after this; milliseconds, 20 s by default. */
  readonly connectTimeoutMs?: number;
  readonly backoff?: BackoffOptions;
  /** PINGs; none by default. */
  readonly keepalive?: KeepaliveOptions | undefined;
  /** Largest message accepted, after decompression; 4 MiB by default. */
  readonly messageBytesMax?: number;
  /** Calls that may wait for a connection; 1000 by default. */
  readonly waitingMax?: number;
  readonly userAgent?: string;
}

/** gRPC's connectivity states. */
export type ChannelState = "idle" | "connecting" | "ready" | "transient-failure" | "shutdown";

/**
 * Calls to one server over one connection, made when the first call needs it and made again, with back-off, when it breaks. A call fails at
 * once while the server cannot be reached, unless it asks to wait.
 */
export class GrpcChannel implements CallChannel, ChannelConnectionOwner {
  readonly authority: string;
  readonly scheme: "http" | "https";
  readonly userAgent: string;
  readonly messageBytesMax: number;
  readonly #options: ChannelOptions;
  readonly #backoff: Backoff;
  readonly #waitingMax: number;
  /** In order of their begin. */
  readonly #waiting: Set<ClientCall<DescMethod>> = new Set();
  #state: ChannelState = "idle";
  #pending: PendingConnect | undefined;
  #timer: { cancel(): void } | undefined;
  #connection: ChannelConnection | undefined;
  /** They take no more calls; some still run. */
  readonly #leaving: Set<ChannelConnection> = new Set();
  #failure: GrpcStatus = { code: GrpcCode.unavailable, message: "not connected" };

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.authority = options.authority;
    this.scheme = options.scheme ?? "http";
    this.userAgent = options.userAgent ?? "grpc-heddle";
    this.messageBytesMax = options.messageBytesMax ?? 4 * 1024 * 1024;
    this.#waitingMax = options.waitingMax ?? 1000;
    this.#backoff = new Backoff(options.backoff ?? grpcBackoff, options.random);
  }

  get state(): ChannelState {
    return this.#state;
  }

  after(milliseconds: number, callback: () => void): { cancel(): void } {
    return this.#options.clock.after(milliseconds, () => dispatch(callback));
  }

  /** Begin a call. `onEnd` of `events` may be called before this returns. */
  call<M extends DescMethod>(
    method: M,
    events: ClientCallEvents<M>,
    options: CallOptions = {},
  ): ClientCall<M> {
    const call = new ClientCall<M>(this, method, events, options);
    dispatch(() => this.#start(call as unknown as ClientCall<DescMethod>));
    return call;
  }

  /** One request, one response; rejects with GrpcError. */
  unary<M extends DescMethod>(
    method: M,
    request: MessageShape<M["input"]>,
    options: CallOptions = {},
  ): Promise<MessageShape<M["output"]>> {
    return new Promise((resolve, reject) => {
      let response: MessageShape<M["output"]> | undefined;
      const events: ClientCallEvents<M> = {
        onMessage: (message) => {
          response = message;
        },
        onEnd: (status, trailers) => {
          if (status.code !== GrpcCode.ok) reject(errorOf(status, trailers));
          else if (response === undefined)
            reject(new GrpcError(GrpcCode.internal, "the server sent no message"));
          else resolve(response);
        },
      };
      const call = this.call(method, events, options);
      dispatch(() => {
        call.send(request);
        call.end();
      });
    });
  }

  /** Ends every call with UNAVAILABLE and the connection with them. */
  close(): void {
    if (this.#state === "shutdown") return;
    this.#state = "shutdown";
    this.#failure = { code: GrpcCode.unavailable, message: "the channel is closed" };
    this.#timer?.cancel();
    this.#pending?.cancel();
    this.#failWaiting(true);
    this.#connection?.close();
    for (const connection of this.#leaving) connection.close();
  }

  #start(call: ClientCall<DescMethod>): void {
    // Its deadline may have been zero.
    if (call.done) return;
    const connection = this.#connection;
    if (connection?.hasRoom === true) {
      connection.begin(call);
      return;
    }
    const failing = this.#state === "transient-failure" && call.options.waitForReady !== true;
    if (this.#state === "shutdown" || failing) call.fail(this.#failure);
    else if (this.#waiting.size >= this.#waitingMax)
      call.fail({
        code: GrpcCode.resourceExhausted,
        message: `more than ${this.#waitingMax} calls wait for a connection`,
      });
    else {
      this.#waiting.add(call);
      if (this.#state === "idle") this.#connect();
    }
  }

  #connect(): void {
    this.#state = "connecting";
    const timeoutMs = this.#options.connectTimeoutMs ?? 20_000;
    this.#timer = this.after(timeoutMs, () => {
      const detail = `no connection within ${timeoutMs} ms`;
      this.#pending?.cancel();
      if (this.#connection === undefined) this.#onFailure(detail);
      else this.#connection.giveUp(detail);
    });
    this.#pending = this.#options.connect({
      onConnect: (connection) => this.#onConnect(connection),
      onError: (detail) => this.#onFailure(detail),
    });
  }

  #onConnect(connection: Connection): void {
    this.#pending = undefined;
    const { clock, random, keepalive } = this.#options;
    this.#connection = new ChannelConnection(connection, { clock, random, keepalive }, this);
  }

  /** The server has sent its SETTINGS: it speaks HTTP/2. */
  onReady(): void {
    this.#timer?.cancel();
    this.#state = "ready";
    this.#backoff.reset();
    this.onRoom();
  }

  onRoom(): void {
    for (const call of this.#waiting) {
      if (this.#connection?.hasRoom !== true) return;
      this.#waiting.delete(call);
      this.#connection.begin(call);
    }
  }

  /** The connection takes no more calls, or is gone. */
  onGone(connection: ChannelConnection, detail: string): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#leaving.add(connection);
    if (this.#state === "shutdown") return;
    if (this.#state !== "ready") {
      this.#onFailure(detail);
      return;
    }
    this.#state = "idle";
    if (this.#waiting.size > 0) this.#connect();
  }

  onClosed(connection: ChannelConnection): void {
    this.#leaving.delete(connection);
  }

  #onFailure(detail: string): void {
    this.#timer?.cancel();
    this.#pending = undefined;
    this.#state = "transient-failure";
    this.#failure = {
      code: GrpcCode.unavailable,
      message: `cannot reach ${this.authority}: ${detail}`,
    };
    // Before those that wait hear of it: one of them may close the channel.
    this.#timer = this.after(this.#backoff.next(), () => this.#retry());
    this.#failWaiting(false);
  }

  /** gRPC goes on trying while anybody waits, and once more when somebody asks. */
  #retry(): void {
    if (this.#waiting.size > 0) this.#connect();
    else this.#state = "idle";
  }

  #failWaiting(all: boolean): void {
    for (const call of this.#waiting) {
      if (!all && call.options.waitForReady === true) continue;
      this.#waiting.delete(call);
      call.fail(this.#failure);
    }
  }

  onCallDone(call: ClientCall<DescMethod>): void {
    this.#waiting.delete(call);
  }
}

function errorOf(status: GrpcStatus, trailers: HeaderList): GrpcError {
  const { details } = status;
  return new GrpcError(status.code, status.message, {
    trailers,
    ...(details === undefined ? {} : { details }),
  });
}
