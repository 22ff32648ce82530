import type { DescMethod, MessageShape } from "@bufbuild/protobuf";
import type { ControlPlane } from "#gen/envoy/config/core/v3/base_pb.js";
import { GrpcChannel, type MakeConnection } from "#grpc/channel.ts";
import type { ClientCall } from "#grpc/client-call.ts";
import type { GrpcStatus } from "#grpc/status.ts";
import type { HeaderList } from "#http/headers.ts";
import type { Clock } from "#lib/clock.ts";
import type { KeepaliveOptions } from "#lib/keepalive.ts";
import type { Random } from "#lib/random.ts";
import type { Protocol } from "./protocol.ts";
import { Refusals } from "./refusals.ts";
import type { ResourceStore } from "./resource-store.ts";

/** A management server. */
export interface XdsServer {
  /** As messages name it: the cluster's name. */
  readonly name: string;
  readonly connect: MakeConnection;
  readonly authority: string;
  readonly scheme?: "http" | "https";
  /** `initial_metadata` */
  readonly metadata?: HeaderList;
  readonly connectTimeoutMs?: number;
  readonly keepalive?: KeepaliveOptions;
}

export interface StreamServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: ResourceStore;
}

export interface StreamOwner {
  /** Called once, before the first answer is looked at. */
  onFirstAnswer(): void;
  onConnected(): void;
  onControlPlane(controlPlane: ControlPlane): void;
  /** A request may leave now. */
  mayTake(): boolean;
  onPending(count: number): void;
  onIgnored(typeUrl: string): void;
  /** Once, last. */
  onEnd(status: GrpcStatus): void;
}

/** The methods of xDS, whose answers say what type they are of and who has sent them. */
type Answer = { readonly typeUrl: string; readonly controlPlane?: ControlPlane | undefined };

/** Answers that wait while one is looked at; more are left to the server and to HTTP/2's windows. */
const waitingMax = 16;

/** All clusters of a large mesh in one answer. */
const messageBytesMax = 128 * 1024 * 1024;

/** One stream to one server, on a connection of its own, from its opening to its end. */
export class XdsStream<M extends DescMethod> {
  readonly #protocol: Protocol<MessageShape<M["input"]>, MessageShape<M["output"]> & Answer>;
  readonly #services: StreamServices;
  readonly #owner: StreamOwner;
  readonly #channel: GrpcChannel;
  readonly #call: ClientCall<M>;
  readonly #refusals: Refusals;
  readonly #waiting: (MessageShape<M["output"]> & Answer)[] = [];
  #looking = false;
  #paused = false;
  #answered = false;
  #writable = true;
  #ended = false;

  constructor(
    server: XdsServer,
    stream: {
      readonly method: M;
      readonly protocol: Protocol<MessageShape<M["input"]>, MessageShape<M["output"]> & Answer>;
      readonly services: StreamServices;
      readonly owner: StreamOwner;
    },
  ) {
    const { method, protocol, services, owner } = stream;
    this.#protocol = protocol;
    this.#services = services;
    this.#owner = owner;
    const { clock, random } = services;
    this.#refusals = new Refusals(services, (typeUrl, verdict) => {
      this.#protocol.settle(typeUrl, verdict);
      if (!this.#looking) this.flush();
    });
    const { connect, authority, keepalive } = server;
    this.#channel = new GrpcChannel({
      connect,
      authority,
      clock,
      random,
      keepalive,
      messageBytesMax,
      ...(server.scheme === undefined ? {} : { scheme: server.scheme }),
      ...(server.connectTimeoutMs === undefined
        ? {}
        : { connectTimeoutMs: server.connectTimeoutMs }),
    });
    const events = {
      onMetadata: () => owner.onConnected(),
      // Proof: every method of xDS answers with one of two messages, and both have these fields.
      onMessage: (message: MessageShape<M["output"]>) =>
        this.#onMessage(message as MessageShape<M["output"]> & Answer),
      onWritable: () => {
        owner.onConnected();
        this.#writable = true;
        this.flush();
      },
      onEnd: (status: GrpcStatus) => this.#onEnd(status),
    };
    const { metadata } = server;
    this.#call = this.#channel.call(method, events, metadata === undefined ? {} : { metadata });
  }

  /** Sends what is due, as far as the server takes it. */
  flush(): void {
    while (!this.#ended && this.#writable && this.#protocol.due > 0 && this.#owner.mayTake()) {
      const request = this.#protocol.next();
      if (request === undefined) break;
      this.#writable = this.#call.send(request);
    }
    if (!this.#ended) this.#owner.onPending(this.#protocol.due);
  }

  /** Something else is wanted than before. */
  interestChanged(): void {
    if (this.#ended) return;
    this.#refusals.releaseAll();
    this.flush();
  }

  /** Ends without a word to the owner. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#refusals.close();
    this.#call.cancel();
    this.#channel.close();
  }

  #onMessage(message: MessageShape<M["output"]> & Answer): void {
    if (this.#ended) return;
    if (!this.#answered) {
      this.#answered = true;
      this.#owner.onConnected();
      this.#owner.onFirstAnswer();
    }
    if (message.controlPlane !== undefined) this.#owner.onControlPlane(message.controlPlane);
    this.#waiting.push(message);
    if (this.#waiting.length >= waitingMax && !this.#paused) {
      this.#paused = true;
      this.#call.pause();
    }
    if (!this.#looking) void this.#lookAtAll();
  }

  async #lookAtAll(): Promise<void> {
    this.#looking = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#refusals.release(next.typeUrl);
      const incoming = this.#protocol.receive(next);
      if (incoming === undefined) this.#owner.onIgnored(next.typeUrl);
      else {
        const verdict = await this.#services.store.take(incoming);
        if (this.#ended) break;
        this.#refusals.settle(incoming, verdict);
      }
      this.flush();
      if (this.#paused && this.#waiting.length === 0) {
        this.#paused = false;
        this.#call.resume();
      }
    }
    this.#looking = false;
  }

  #onEnd(status: GrpcStatus): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#refusals.close();
    this.#channel.close();
    // It may end before its owner has it.
    queueMicrotask(() => this.#owner.onEnd(status));
  }
}
