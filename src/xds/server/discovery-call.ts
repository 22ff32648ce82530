import type { Node, NodeJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { ServerCall, ServerCallEvents } from "#grpc/server-call.ts";
import { GrpcCode, GrpcError, type GrpcStatus } from "#grpc/status.ts";
import type { Clock } from "#lib/clock.ts";
import { addressText } from "#net/address.ts";
import { dispatch } from "#net/raw-connection.ts";
import type { NamePool } from "../name-set.ts";
import { type ResourceType, resourceTypeOf } from "../resource-type.ts";
import type { ResourceSource, Snapshot, XdsConnection } from "../source.ts";
import { type DeltaRequest, DeltaSubscription } from "./delta-subscription.ts";
import { DiscoveryStream, onDeltaRequest, onSotwRequest } from "./discovery-stream.ts";
import { nodeJson } from "./node-json.ts";
import { responseHead } from "./response-body.ts";
import { type SotwRequest, SotwSubscription } from "./sotw-subscription.ts";
import type { Response, Verdict } from "./subscription.ts";

/** What happened, and which limits were hit; since the start. */
export interface XdsCounters {
  streams: number;
  requests: number;
  /** A request answers a response that is not the last one: ignored. */
  staleNonces: number;
  /** Types that this server does not know. */
  unknownTypes: number;
  /** Requests for one type more than a stream may have. */
  typesOverLimit: number;
  /** Streams ended because of too many names. */
  namesOverLimit: number;
  /** Make-before-break did not wait any longer. */
  released: number;
}

export interface CallServices {
  readonly clock: Clock;
  readonly source: ResourceSource;
  readonly pool: NamePool;
  readonly controlPlane: string;
  readonly counters: XdsCounters;
  /** Names that a client may ask for, of one type. */
  readonly namesMax: number;
  /** How long what depends on something else waits for the client to acknowledge that. */
  readonly breakAfterMs: number;
  onOpen(call: DiscoveryCall): void;
  onEnd(call: DiscoveryCall): void;
}

/** Of both protocols' requests what a stream's begin needs. */
interface Opening {
  readonly typeUrl: string;
  readonly node?: Node | undefined;
}

/** The client takes `Resource` in place of the message itself. */
const wrapperFeature = "xds.config.resource-in-sotw";

type Streams =
  | { readonly protocol: "sotw"; readonly stream: DiscoveryStream<SotwSubscription> }
  | { readonly protocol: "delta"; readonly stream: DiscoveryStream<DeltaSubscription> };

/** One client's stream: between a gRPC call and the protocol. */
export class DiscoveryCall implements XdsConnection {
  readonly id: string;
  node: NodeJson = {};
  readonly only: ResourceType | undefined;
  readonly connectedAtMs: number;
  readonly #call: ServerCall;
  readonly #services: CallServices;
  readonly #streams: Streams;
  #open = false;
  #wrapped = false;
  #breakTimer: { cancel(): void } | undefined;
  #beatTimer: { cancel(): void } | undefined;

  constructor(
    call: ServerCall,
    services: CallServices,
    { protocol, only, id }: Pick<XdsConnection, "protocol" | "only" | "id">,
  ) {
    this.id = id;
    this.only = only;
    this.#call = call;
    this.#services = services;
    this.connectedAtMs = services.clock.wallMs();
    const { pool, clock } = services;
    const output = {
      send: (response: Response) => this.#onResponse(response),
      nowMs: () => clock.wallMs(),
    };
    this.#streams =
      protocol === "sotw"
        ? { protocol, stream: new DiscoveryStream((type) => this.#makeSotw(type), output, pool) }
        : {
            protocol,
            stream: new DiscoveryStream((type) => new DeltaSubscription(type, pool), output, pool),
          };
  }

  #makeSotw(type: ResourceType): SotwSubscription {
    const made = new SotwSubscription(type, this.#services.pool);
    made.wrapped = this.#wrapped;
    return made;
  }

  // === For the source ===

  get protocol(): "sotw" | "delta" {
    return this.#streams.protocol;
  }

  get peer(): string {
    return addressText(this.#call.connection.remote);
  }

  get subscriptions(): XdsConnection["subscriptions"] {
    return this.#streams.stream.subscriptions;
  }

  get snapshot(): Snapshot | undefined {
    return this.#streams.stream.snapshot;
  }

  get settled(): boolean {
    return this.#streams.stream.settled;
  }

  push(snapshot: Snapshot): void {
    if (this.#call.done) return;
    dispatch(() => this.#streams.stream.push(snapshot));
    this.#setTimers();
  }

  close(status: GrpcStatus): void {
    dispatch(() => this.#call.finish(status));
    this.end();
  }

  // === From the client ===

  events(): Omit<ServerCallEvents<never>, "onMessage"> {
    return {
      onHalfClose: () => this.close({ code: GrpcCode.ok, message: "" }),
      onCancel: () => this.end(),
      onWritable: () => {
        this.#streams.stream.onWritable();
        this.#setTimers();
      },
    };
  }

  onSotw(opening: Opening, request: SotwRequest): void {
    const type = this.#begin(opening);
    if (this.#streams.protocol !== "sotw" || type === undefined) return;
    this.#checkNames(type, request.resourceNames.length);
    this.#onVerdict(type, onSotwRequest(this.#streams.stream, type, request));
  }

  onDelta(opening: Opening, request: DeltaRequest): void {
    const type = this.#begin(opening);
    if (this.#streams.protocol !== "delta" || type === undefined) return;
    const held = this.#streams.stream.subscription(type)?.names.size ?? 0;
    this.#checkNames(type, held + request.resourceNamesSubscribe.length);
    this.#onVerdict(type, onDeltaRequest(this.#streams.stream, type, request));
  }

  /** The type that the request is about; undefined: it is ignored. */
  #begin({ typeUrl, node }: Opening): ResourceType | undefined {
    const { counters, source } = this.#services;
    counters.requests++;
    const type = this.#typeOf(typeUrl);
    if (!this.#open) {
      this.node = nodeJson(node);
      this.#wrapped = node?.clientFeatures.includes(wrapperFeature) === true;
      source.connect(this);
      this.#open = true;
      counters.streams++;
      this.#services.onOpen(this);
    }
    if (this.#streams.stream.subscription(type) !== undefined) return type;
    counters.typesOverLimit++;
    return undefined;
  }

  #typeOf(typeUrl: string): ResourceType {
    const { only } = this;
    if (only !== undefined && (typeUrl === "" || typeUrl === only.typeUrl)) return only;
    if (only !== undefined)
      throw new GrpcError(
        GrpcCode.invalidArgument,
        `type_url ${typeUrl} on a stream of ${only.typeUrl}`,
      );
    if (typeUrl === "")
      throw new GrpcError(
        GrpcCode.invalidArgument,
        "a request on an aggregated stream needs type_url",
      );
    const type = resourceTypeOf(typeUrl);
    if (type !== undefined) return type;
    this.#services.counters.unknownTypes++;
    return unknownType(typeUrl);
  }

  #checkNames(type: ResourceType, names: number): void {
    const { namesMax, counters } = this.#services;
    if (names <= namesMax) return;
    counters.namesOverLimit++;
    throw new GrpcError(
      GrpcCode.resourceExhausted,
      `${names} names of ${type.name}: at most ${namesMax} are served`,
    );
  }

  #onVerdict(type: ResourceType, verdict: Verdict): void {
    const { counters, source } = this.#services;
    this.#setTimers();
    if (verdict === "stale") counters.staleNonces++;
    else if (verdict === "none") source.onSubscribe?.(this, type);
    else {
      const refused = this.#streams.stream.subscription(type)?.refused;
      source.onAnswer?.(this, { type, refused });
    }
  }

  // === To the client ===

  #onResponse(response: Response): boolean {
    const { type, nonce, pieces, resources, removed } = response;
    const { controlPlane, source } = this.#services;
    const head = responseHead({ protocol: this.protocol, nonce, controlPlane });
    const more = this.#call.sendEncoded([head, ...pieces]);
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, head.length);
    source.onSent?.(this, { type, resources, removed, bytes });
    return more;
  }

  #setTimers(): void {
    const { stream } = this.#streams;
    const { clock, breakAfterMs, counters } = this.#services;
    if (!stream.held || this.#call.done) {
      this.#breakTimer?.cancel();
      this.#breakTimer = undefined;
    } else
      this.#breakTimer ??= clock.after(breakAfterMs, () => {
        this.#breakTimer = undefined;
        counters.released++;
        dispatch(() => stream.release());
        this.#setTimers();
      });
    this.#setHeartbeat();
  }

  /** Twice within the time to live, so that one may be late. */
  #setHeartbeat(): void {
    const { stream } = this.#streams;
    const ttlMs = this.#call.done ? undefined : stream.ttlMs;
    if (ttlMs === undefined) {
      this.#beatTimer?.cancel();
      this.#beatTimer = undefined;
    } else
      this.#beatTimer ??= this.#services.clock.after(ttlMs / 3, () => {
        this.#beatTimer = undefined;
        dispatch(() => stream.heartbeat());
        this.#setTimers();
      });
  }

  /** The call is over. */
  end(): void {
    this.#breakTimer?.cancel();
    this.#beatTimer?.cancel();
    if (!this.#open) return;
    this.#open = false;
    this.#services.onEnd(this);
    this.#services.source.disconnect(this);
  }
}

/** A source may know it all the same; asked for by name it is answered by name. */
function unknownType(typeUrl: string): ResourceType {
  const message = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
  return { name: message, typeUrl, message, wildcard: true, complete: false, nameField: "name" };
}
