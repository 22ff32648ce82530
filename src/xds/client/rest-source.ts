import { create, toJsonString } from "@bufbuild/protobuf";
import { DiscoveryRequestSchema } from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { registry } from "#gen/registry.js";
import type { Random } from "#lib/random.ts";
import type {
  ConnectionState,
  Interest,
  ResourceClient,
  Subscriber,
  Subscription,
  TypeDump,
} from "../subscriber.ts";
import { type HttpAnswer, type HttpServer, postJson } from "./http-post.ts";
import type { NodeOptions } from "./protocol.ts";
import { type TextSourceServices, TextStore } from "./text-source.ts";

export interface RestSourceOptions extends TextSourceServices {
  readonly server: HttpServer;
  /** `/v3/discovery:clusters` */
  readonly path: string;
  readonly refreshMs: number;
  readonly timeoutMs: number;
  readonly nodeOptions: NodeOptions;
  readonly random: Random;
}

/** Asks a REST server again and again. */
export class RestSource implements ResourceClient {
  readonly #options: RestSourceOptions;
  readonly #text: TextStore;
  #state: ConnectionState = "waiting";
  #timer: { cancel(): void } | undefined;
  #asking: { cancel(): void } | undefined;
  #lastReason = "";
  /** Something is wanted that the running request does not ask for. */
  #more = false;

  constructor(options: RestSourceOptions) {
    this.#options = options;
    this.#text = new TextStore(options, () => this.#onInterest());
  }

  get state(): ConnectionState {
    return this.#state;
  }

  subscribe(subscriber: Subscriber, interest: Interest): Subscription {
    return this.#text.store.subscribe(subscriber, interest);
  }

  start(): void {
    if (this.#state !== "waiting") return;
    this.#state = "connecting";
    this.#ask();
  }

  close(): void {
    this.#state = "closed";
    this.#timer?.cancel();
    this.#asking?.cancel();
    this.#text.store.close();
  }

  dump(): readonly TypeDump[] {
    return this.#text.store.dump();
  }

  #onInterest(): void {
    if (this.#state !== "connected") return;
    this.#more = true;
    queueMicrotask(() => {
      if (this.#more && this.#asking === undefined && this.#state === "connected") this.#ask();
    });
  }

  #ask(): void {
    this.#timer?.cancel();
    this.#more = false;
    const { state } = this.#text;
    if (!state.wanted) {
      this.#state = "connected";
      this.#later();
      return;
    }
    state.prune();
    const { server, path, timeoutMs, nodeOptions, clock } = this.#options;
    const request = create(DiscoveryRequestSchema, {
      node: nodeOptions.node,
      typeUrl: state.type.typeUrl,
      versionInfo: state.version,
      resourceNames: [...state.names.keys()].sort(),
    });
    const body = toJsonString(DiscoveryRequestSchema, request, { registry });
    this.#asking = postJson(server, { path, body, timeoutMs, clock }, (answer) => {
      this.#asking = undefined;
      void this.#onAnswer(answer);
    });
  }

  async #onAnswer(answer: HttpAnswer): Promise<void> {
    if (this.#state === "closed") return;
    const { server, type } = this.#options;
    if ("reason" in answer) this.#fail(`${type.name}: ${server.name}: ${answer.reason}`);
    else {
      this.#state = "connected";
      this.#lastReason = "";
      // 304: the server has nothing newer than the version that was asked with.
      if (answer.status === 200) await this.#text.take(server.name, answer.body);
    }
    if (this.#more) this.#ask();
    else this.#later();
  }

  #fail(reason: string): void {
    this.#options.log(reason === this.#lastReason ? "debug" : "warn", reason);
    this.#lastReason = reason;
    this.#state = "connecting";
    this.#text.store.failed(reason);
  }

  /** As Envoy: between one interval and two, so that many clients do not ask at the same time. */
  #later(): void {
    if (this.#closed) return;
    const { clock, random, refreshMs } = this.#options;
    this.#timer = clock.after(refreshMs * (1 + random.unit()), () => this.#ask());
  }

  get #closed(): boolean {
    return this.#state === "closed";
  }
}
