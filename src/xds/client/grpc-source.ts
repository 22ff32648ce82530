import type { DescMethod } from "@bufbuild/protobuf";
import type { GrpcStatus } from "#grpc/status.ts";
import { Backoff, type BackoffOptions } from "#lib/backoff.ts";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { TokenBucket } from "#lib/token-bucket.ts";
import type { ResourceType } from "../resource-type.ts";
import type {
  ConnectionState,
  Interest,
  Log,
  ResourceClient,
  Subscriber,
  Subscription,
  TypeDump,
} from "../subscriber.ts";
import type { DecodeOptions } from "./any-resource.ts";
import type { ControlPlaneStats } from "./control-plane-stats.ts";
import { DeltaProtocol } from "./delta-protocol.ts";
import type { NodeOptions } from "./protocol.ts";
import { ResourceStore } from "./resource-store.ts";
import { SavedState } from "./saved-state.ts";
import { methodsOf } from "./services.ts";
import { SotwProtocol } from "./sotw-protocol.ts";
import { type StreamOwner, type XdsServer, XdsStream } from "./stream.ts";

export interface GrpcSourceOptions {
  /** In order of preference. */
  readonly servers: readonly [XdsServer, ...XdsServer[]];
  /** Undefined: ADS, one stream for all types. */
  readonly type: ResourceType | undefined;
  readonly delta: boolean;
  readonly nodeOptions: NodeOptions;
  readonly backoff: BackoffOptions;
  readonly rateLimit: { readonly tokensMax: number; readonly tokensPerSecond: number } | undefined;
  readonly decode: DecodeOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly stats: ControlPlaneStats | undefined;
  readonly onUnknownFields: ((count: number) => void) | undefined;
  readonly onChange: ((type: ResourceType) => void) | undefined;
  /** Where the last good resources are kept; undefined: nowhere. */
  readonly savePath: string | undefined;
}

/** So many attempts in a row without an answer make the next server's turn; Envoy's number. */
const attemptsPerServer = 2;

/** While another server serves, the ones before it are tried so often (spread by half). */
const returnMs = 30_000;

/** A control plane that has not answered for so long is away: what was saved is used. */
const patienceMs = 5000;

/** A stream that is open or opening, and the server it goes to. */
interface Attempt {
  readonly index: number;
  stream: Pick<XdsStream<DescMethod>, "flush" | "interestChanged" | "close"> | undefined;
  answered: boolean;
}

/** Resources over gRPC: one stream at a time, made again when it breaks, to the first server that answers. */
export class GrpcSource implements ResourceClient {
  readonly #options: GrpcSourceOptions;
  readonly #store: ResourceStore;
  readonly #backoff: Backoff;
  readonly #bucket: TokenBucket | undefined;
  #state: ConnectionState = "waiting";
  #attempt: Attempt | undefined;
  /** To a server that is preferred to the one that serves. */
  #probe: Attempt | undefined;
  #failures = 0;
  #retry: { cancel(): void } | undefined;
  #return: { cancel(): void } | undefined;
  #refill: { cancel(): void } | undefined;
  #flushing = false;
  #lastReason = "";
  readonly #saved: SavedState | undefined;
  #patience: { cancel(): void } | undefined;

  constructor(options: GrpcSourceOptions) {
    this.#options = options;
    const { clock, random, log, backoff, rateLimit, onUnknownFields, onChange } = options;
    this.#store = new ResourceStore({
      clock,
      log,
      onInterest: () => this.#flushSoon(),
      onUnknownFields,
      onChange: (type) => {
        onChange?.(type);
        this.#saved?.changed();
      },
    });
    const { savePath: path, nodeOptions, decode } = options;
    if (path !== undefined) {
      const node = nodeOptions.node.id;
      this.#saved = new SavedState(this.#store, decode, { path, node, clock, log });
    }
    this.#backoff = new Backoff(backoff, random);
    if (rateLimit !== undefined) {
      const { tokensMax, tokensPerSecond: tokensPerFill } = rateLimit;
      this.#bucket = new TokenBucket(clock, { tokensMax, tokensPerFill, fillIntervalMs: 1000 });
    }
  }

  get state(): ConnectionState {
    return this.#state;
  }

  subscribe(subscriber: Subscriber, interest: Interest): Subscription {
    const { type } = this.#options;
    if (type !== undefined && subscriber.type !== type)
      throw new Error(`a stream of ${type.name} brings no ${subscriber.type.name}`);
    return this.#store.subscribe(subscriber, interest);
  }

  start(): void {
    if (this.#state !== "waiting" || this.#attempt !== undefined) return;
    if (this.#saved !== undefined) {
      void this.#saved.load();
      this.#patience = this.#options.clock.after(patienceMs, () => this.#saved?.use());
    }
    this.#connect(0);
  }

  close(): void {
    this.#state = "closed";
    for (const timer of [this.#retry, this.#return, this.#refill, this.#patience]) timer?.cancel();
    this.#saved?.close();
    this.#attempt?.stream?.close();
    this.#probe?.stream?.close();
    this.#store.close();
    this.#options.stats?.disconnected();
  }

  dump(): readonly TypeDump[] {
    return this.#store.dump();
  }

  #connect(index: number): void {
    this.#state = "connecting";
    this.#attempt = this.#open(index);
    this.#attempt.stream?.flush();
  }

  #open(index: number): Attempt {
    const attempt: Attempt = { index, stream: undefined, answered: false };
    const { servers, stats, log } = this.#options;
    const server = servers[index] ?? servers[0];
    attempt.stream = this.#stream(server, {
      onFirstAnswer: () => this.#onFirstAnswer(attempt),
      onConnected: () => this.#onConnected(attempt),
      onControlPlane: (controlPlane) => stats?.identified(controlPlane.identifier),
      mayTake: () => this.#mayTake(),
      onPending: (count) => stats?.pending(count),
      onIgnored: (typeUrl) =>
        log("warn", `xds: ${server.name} sent ${typeUrl}, which nobody has asked for`),
      onEnd: (status) => this.#onEnd(attempt, status),
    });
    return attempt;
  }

  #stream(server: XdsServer, owner: StreamOwner): Attempt["stream"] {
    const { type, delta, nodeOptions, decode, clock, random } = this.#options;
    const services = { clock, random, store: this.#store };
    const types = (): ResourceStore["states"] => this.#store.states;
    const methods = methodsOf(type);
    if (delta && methods.delta !== undefined) {
      const protocol = new DeltaProtocol(types, nodeOptions, decode);
      return new XdsStream(server, { method: methods.delta, protocol, services, owner });
    }
    if (delta || methods.sotw === undefined) throw new Error(`no such stream of ${type?.name}`);
    const protocol = new SotwProtocol(types, nodeOptions, decode);
    return new XdsStream(server, { method: methods.sotw, protocol, services, owner });
  }

  /** Changes that are made at the same time leave together. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#attempt?.stream?.interestChanged();
      this.#probe?.stream?.interestChanged();
    });
  }

  #flush(): void {
    this.#attempt?.stream?.flush();
    this.#probe?.stream?.flush();
  }

  #mayTake(): boolean {
    if (this.#bucket === undefined || this.#bucket.take()) return true;
    const { clock, stats, rateLimit } = this.#options;
    stats?.rateLimited();
    this.#refill ??= clock.after(1000 / (rateLimit?.tokensPerSecond ?? 1), () => {
      this.#refill = undefined;
      this.#flush();
    });
    return false;
  }

  #onConnected(attempt: Attempt): void {
    if (attempt !== this.#attempt) return;
    this.#state = "connected";
    this.#options.stats?.connected(attempt.index);
  }

  /** A server that takes connections may still be none: one that answers is. */
  #onFirstAnswer(attempt: Attempt): void {
    attempt.answered = true;
    if (attempt === this.#probe) {
      this.#probe = undefined;
      this.#attempt?.stream?.close();
      this.#attempt = attempt;
      this.#onConnected(attempt);
    }
    this.#patience?.cancel();
    this.#saved?.answered();
    this.#backoff.reset();
    this.#failures = 0;
    this.#lastReason = "";
    const { servers, log } = this.#options;
    log("info", `xds: ${servers[attempt.index]?.name} serves`);
    if (attempt.index > 0) this.#returnLater(0);
  }

  #onEnd(attempt: Attempt, status: GrpcStatus): void {
    if (this.#state === "closed") return;
    if (attempt === this.#probe) {
      this.#probe = undefined;
      this.#returnLater(attempt.index + 1);
      return;
    }
    if (attempt !== this.#attempt) return;
    this.#attempt = undefined;
    this.#return?.cancel();
    this.#probe?.stream?.close();
    this.#probe = undefined;
    this.#state = "waiting";
    this.#options.stats?.disconnected();
    this.#store.failed(this.#reason(attempt, status));
    this.#saved?.use();
    const next = this.#nextIndex(attempt);
    if (next > attempt.index) {
      this.#connect(next);
      return;
    }
    this.#retry = this.#options.clock.after(this.#backoff.next(), () => this.#connect(next));
  }

  #reason({ index }: Attempt, { code, message }: GrpcStatus): string {
    const { servers, log } = this.#options;
    const what = message === "" ? `status ${code}` : `status ${code}, ${message}`;
    const reason = `xds: the stream to ${servers[index]?.name} has ended: ${what}`;
    // Once is enough for as long as nothing changes.
    log(reason === this.#lastReason ? "debug" : "warn", reason);
    this.#lastReason = reason;
    return reason;
  }

  #nextIndex({ index, answered }: Attempt): number {
    if (answered) return 0;
    this.#failures++;
    // Servers that are not the first are tried once each, then the first has its turn again.
    if (index === 0 && this.#failures < attemptsPerServer) return 0;
    this.#failures = 0;
    return (index + 1) % this.#options.servers.length;
  }

  /** Tries the servers before the one that serves, from `index` on, one at a time. */
  #returnLater(index: number): void {
    const { clock, random } = this.#options;
    this.#return?.cancel();
    this.#return = clock.after(returnMs * (0.5 + random.unit()), () => {
      const serving = this.#attempt;
      if (serving === undefined || serving.index === 0) return;
      this.#probe = this.#open(index < serving.index ? index : 0);
      this.#probe.stream?.flush();
    });
  }
}
