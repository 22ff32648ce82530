/** Where resources come from, as the one who uses them sees it: a gRPC stream, a REST poll or a file. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { ResourceType } from "./resource-type.ts";
import type { SubscriptionStats } from "./subscription-stats.ts";

export interface Resource {
  readonly name: string;
  readonly version: string;
  /** The message in canonical ProtoJSON, valid by the rules of the .proto files, and of supported fields only. */
  readonly json: JsonObject;
  /** Milliseconds after which it is gone unless it is sent again. */
  readonly ttlMs: number | undefined;
}

/** What is new for one subscriber. */
export interface ResourceUpdate {
  /** New or changed since the last update. */
  readonly set: readonly Resource[];
  /** Gone: not sent any more by a server that sends all there is, removed by name, or its time has run out. */
  readonly removed: readonly string[];
  /** The server's version of the whole type; in delta, `system_version_info`. */
  readonly version: string;
}

/** Why a resource is refused. */
export interface ResourceProblem {
  /** Empty: of the whole answer, not of one resource. */
  readonly name: string;
  /** `load_assignment.endpoints[0]`; empty: the whole resource. */
  readonly path: string;
  readonly message: string;
}

export interface Subscriber {
  readonly type: ResourceType;
  /**
   * Called one after the other. Resources with a problem are refused by name, and the one before keeps serving; the others count as taken.
   * The next answer of the server waits for a promise: never await in it what another answer has to bring. Subscriptions that are made or
   * changed meanwhile leave as one request, after the answer is acknowledged. Subscribers of everything are called with each answer, even
   * when nothing has changed; others when there is something for them.
   */
  apply(update: ResourceUpdate): readonly ResourceProblem[] | Promise<readonly ResourceProblem[]>;
  /** An answer could not be taken at all; whoever waits for the first one waits no longer (Envoy ends its `initial_fetch_timeout` too). */
  onRefused?(problems: readonly ResourceProblem[]): void;
  /** The source cannot be reached, or is not there any more. It is tried again. */
  onFailure?(reason: string): void;
  readonly stats?: SubscriptionStats;
}

/** All there is, or these names. An empty list asks for nothing. */
export type Interest = "all" | readonly string[];

/** A name or everything that somebody wants; it can change at any time, and what changes at the same time leaves as one request. */
export interface Subscription {
  /** These and no others. */
  set(interest: Interest): void;
  /** More names: those that a request asked for on demand. */
  add(names: readonly string[]): void;
  remove(names: readonly string[]): void;
  close(): void;
}

export type ConnectionState = "connected" | "connecting" | "waiting" | "closed";

export interface ResourceClient {
  /** What is there already is applied soon, without the server. */
  subscribe(subscriber: Subscriber, interest: Interest): Subscription;
  /** Begins to connect or to read; subscriptions may come before and after. */
  start(): void;
  close(): void;
  readonly state: ConnectionState;
  /** For /config_dump. */
  dump(): readonly TypeDump[];
}

/** A resource that was refused, as `error_state` of /config_dump shows it (envoy.admin.v3.UpdateFailureState). */
export interface RefusedResource {
  /** As far as it could be read. */
  readonly failedConfiguration: JsonObject | undefined;
  readonly lastUpdateAttemptMs: number;
  readonly details: string;
  readonly versionInfo: string;
}

export interface ResourceDump {
  readonly name: string;
  /** Undefined: none was ever taken. */
  readonly resource: Resource | undefined;
  /** When it was taken; undefined when none was. Milliseconds since 1970. */
  readonly lastUpdatedMs: number | undefined;
  readonly refused: RefusedResource | undefined;
  /** Asked for; the server has sent nothing, or has said that it does not exist. */
  readonly status: "requested" | "does-not-exist" | "acked" | "nacked";
}

export interface TypeDump {
  readonly type: ResourceType;
  /** Of the last answer that was taken. */
  readonly version: string;
  readonly resources: readonly ResourceDump[];
}

/** `warn`: somebody has to do something. */
export type Log = (level: "debug" | "info" | "warn", message: string) => void;
