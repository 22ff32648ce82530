import type { HttpVersion, RequestHead, RequestStream, ResponseSink } from "#http/message.ts";
import type { Connection, ConnectionHandler } from "#net/connection.ts";
import type { HostSet, PickContext } from "../balancer/balancer.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { Metadata, StreamInfo } from "../stream-info.ts";
import type { ClusterMembers, Host } from "./host.ts";

export type Priority = "DEFAULT" | "HIGH";

export type Drop = "some" | "all";

/** Why an upstream could not be used, before any byte was sent. */
export type UpstreamFailure =
  | { readonly kind: "overflow" }
  | { readonly kind: "no-healthy-upstream" }
  | { readonly kind: "connect-failure"; readonly detail: string; readonly host: Host }
  | { readonly kind: "connect-timeout"; readonly host: Host };

/** The connection under an upstream stream. */
export interface UpstreamConnection {
  readonly host: Host;
  readonly connection: Connection;
  readonly protocol: HttpVersion;
  /** It has carried a request before: its peer may be closing it as the next one is written. */
  readonly reused: boolean;
}

/** Waits for a stream from the pool. Exactly one of the two is called, maybe before `request` returns. */
export interface UpstreamCallbacks {
  onReady(stream: RequestStream, upstream: UpstreamConnection): void;
  onFailure(failure: UpstreamFailure): void;
}

/** A circuit breaker as its users see it: `tryTake` counts one more unless the limit is reached, `release` gives it back. */
export interface Breaker {
  tryTake(resource: "connections" | "pending" | "requests" | "retries"): boolean;
  release(resource: "connections" | "pending" | "requests" | "retries"): void;
}

/** A cluster's hosts as an aggregate of clusters takes them. */
export interface BalancedHosts {
  /** By priority; another list after each change. */
  readonly sets: readonly HostSet[];
  pickAt(priority: number, health: "healthy" | "degraded", context: PickContext): Host | undefined;
}

/** A cluster in one worker. */
export interface Cluster {
  readonly name: string;
  /** `alt_stat_name` or the name. */
  readonly statName: string;
  readonly stats: StatsScope;
  readonly metadata: Metadata | undefined;
  readonly maintenanceMode: boolean;
  /** Of a dynamic forward proxy: the port of hosts that say none. */
  readonly dynamicPort?: number | undefined;
  /** HTTP protocol options' fixed upstream protocol for a downstream of `version`. */
  upstreamProtocol(downstream: HttpVersion): HttpVersion;
  readonly connectTimeoutMs: number;
  /** Response head limits of its HTTP options. */
  readonly bufferLimit: number;
  /** The control plane wants this request dropped (drop_overloads), or all of them; drawn anew on each call. */
  readonly drops: Drop | undefined;
  pickHost(context: PickContext): Host | undefined;
  /** After one of the host's health flags has changed: the next pick goes by it. */
  healthChanged(host: Host): void;
  /** A stream to `host`. `sink` receives the response. Returns a handle whose `cancel` withdraws a wait. */
  request(options: {
    readonly host: Host;
    readonly head: RequestHead;
    readonly downstream: HttpVersion;
    readonly priority: Priority;
    readonly info: StreamInfo;
    readonly sink: ResponseSink;
    readonly callbacks: UpstreamCallbacks;
  }): { cancel(): void };
  /** A connection of its own, for TCP. */
  connect(options: {
    readonly host: Host;
    readonly handler: ConnectionHandler;
    readonly onReady: (connection: Connection) => void;
    readonly onFailure: (failure: UpstreamFailure) => void;
    readonly info: StreamInfo;
  }): { cancel(): void };
  /** What limits the cluster's use at one priority. */
  breaker(priority: Priority): Breaker;
  /** New membership from discovery. */
  update(members: ClusterMembers): void;
  readonly hosts: readonly Host[];
  /** Undefined: its hosts have no priorities. */
  readonly balanced?: BalancedHosts | undefined;
}

/** The cluster that the proxy itself belongs to. */
export interface LocalCluster {
  readonly name: string;
  /** Hosts of its first priority: another object after each change. */
  readonly firstSet: HostSet | undefined;
}

export interface ClusterManager {
  /** `local_cluster_name` */
  readonly local?: LocalCluster | undefined;
  get(name: string): Cluster | undefined;
  /** The name stands in the configuration, even if its cluster was refused: a route to it is not the mistake. */
  declares(name: string): boolean;
  readonly all: Iterable<Cluster>;
}
