import type { NodeJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { GrpcStatus } from "#grpc/status.ts";
import type { NameSet } from "./name-set.ts";
import type { ResourceSet } from "./resource-set.ts";
import type { ResourceType } from "./resource-type.ts";

/** All that a client is to have, at one moment. Immutable. */
export interface Snapshot {
  /** `names` undefined: everything (a wildcard subscription). The same arguments give the same set, for all clients of a kind. */
  resources(type: ResourceType, names: NameSet | undefined): ResourceSet;
}

/** A version of a type on its way, and when there was an answer to it. */
export interface SentVersion {
  readonly version: string;
  readonly nonce: string;
  readonly atMs: number;
}

/** The client's own words on what it does not take. */
export interface Refusal extends SentVersion {
  readonly code: number;
  readonly detail: string;
}

/** What a client has asked for of one type, and how far it is. */
export interface SubscriptionStatus {
  readonly type: ResourceType;
  readonly wildcard: boolean;
  readonly names: NameSet;
  readonly sent: SentVersion | undefined;
  readonly acked: SentVersion | undefined;
  /** The last answer was a refusal; undefined again once something newer is taken. */
  readonly refused: Refusal | undefined;
  /** What the client has acknowledged last. */
  readonly held: ResourceSet;
}

/** A client's stream, as a source sees it. */
export interface XdsConnection {
  /** Unique in this process. */
  readonly id: string;
  readonly node: NodeJson;
  /** Where the client is. */
  readonly peer: string;
  readonly protocol: "sotw" | "delta";
  /** Of the one type when the stream is not aggregated. */
  readonly only: ResourceType | undefined;
  readonly connectedAtMs: number;
  readonly subscriptions: Iterable<SubscriptionStatus>;
  /** The last snapshot pushed. */
  readonly snapshot: Snapshot | undefined;
  /** Everything of `snapshot` that it asked for is acknowledged or refused. */
  readonly settled: boolean;
  /** From now on the client is to have this; what it has not asked for is not sent, what has not changed neither. */
  push(snapshot: Snapshot): void;
  close(status: GrpcStatus): void;
}

/** Where resources come from. */
export interface ResourceSource {
  /** Throw GrpcError to refuse the client. Else `connection.push` follows, now or later. */
  connect(connection: XdsConnection): void;
  disconnect(connection: XdsConnection): void;
  onSent?(connection: XdsConnection, sent: Sent): void;
  /** The client has acknowledged or refused something. */
  onAnswer?(connection: XdsConnection, answer: Answer): void;
  /** The client's subscriptions are another now; what it newly asks for is answered from its snapshot. */
  onSubscribe?(connection: XdsConnection, type: ResourceType): void;
  /** For one answer without a stream (REST, Fetch). Throw GrpcError to refuse. */
  snapshot(node: NodeJson): Snapshot | Promise<Snapshot>;
}

export interface Sent {
  readonly type: ResourceType;
  readonly resources: number;
  readonly removed: number;
  readonly bytes: number;
}

export interface Answer {
  readonly type: ResourceType;
  readonly refused: Refusal | undefined;
}
