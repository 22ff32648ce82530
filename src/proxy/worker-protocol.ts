import type { JsonObject } from "@bufbuild/protobuf";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { SecretJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { ClusterMembers } from "./cluster/host.ts";
import type { CheckedHost, HostCheck, ImmediateFailure } from "./health-check/host-check.ts";
import type { ActivateOptions, DrainOptions } from "./listener/listener-manager.ts";
import type { HostVerdict, OutlierReport } from "./outlier/report.ts";
import type { OverloadLevels } from "./overload/names.ts";
import type { ScopesUpdate } from "./route/scoped-routes.ts";
import type { NodeInfo } from "./services.ts";
import type { Announcement } from "./stats/worker-stats.ts";
import type { ContextStatus } from "./tls/status.ts";

/** What a worker is made from: plain data, so that it can cross to a thread. `bootstrap` is canonical ProtoJSON. */
export interface WorkerSpec {
  readonly index: number;
  readonly concurrency: number;
  readonly bootstrap: BootstrapJson;
  readonly node: NodeInfo;
  readonly logLevel: string;
  readonly accessLogFlushMs: number;
  readonly accessLogFlushBytes: number;
  /** Circuit-breaker counts that all workers share; undefined with one worker. */
  readonly sharedCells: SharedArrayBuffer | undefined;
  /** What filters of all workers count together; undefined with one worker. */
  readonly sharedSlots: SharedArrayBuffer | undefined;
  /** The same for all workers, so that one opens the session tickets of another. */
  readonly ticketSecret: Uint8Array;
  /** Open downstream connections of all workers (ConnectionCounts). */
  readonly connectionCounts: SharedArrayBuffer;
}

/** What a listener in a worker tells /listeners. */
export interface ListenerStatus {
  readonly name: string;
  readonly addresses: readonly {
    readonly ip: string;
    readonly port: number;
    readonly family: 4 | 6 | "pipe";
    /** The listening socket, where other workers are to accept from it too. */
    readonly descriptor?: number;
  }[];
}

/** One endpoint in one worker, for /clusters. */
export interface HostStatus {
  readonly address: string;
  readonly hostname: string;
  readonly health: string;
  readonly edsHealth: string;
  /** Undefined: it is not checked. */
  readonly check: HostCheck | undefined;
  /** By outlier detection. */
  readonly ejected: boolean;
  readonly degradedByOutlier: boolean;
  readonly weight: number;
  readonly priority: number;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly connectionsActive: number;
  readonly connectFailures: number;
  readonly connectionsTotal: number;
  readonly requestsActive: number;
  readonly requestsError: number;
  readonly requestsSuccess: number;
  readonly requestsTimeout: number;
  readonly requestsTotal: number;
  /** In percent; -1: not known. Outlier detection has it in the main thread. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
}

export interface WorkerStatus {
  readonly connections: number;
  readonly clusters: Readonly<Record<string, readonly HostStatus[]>>;
  readonly tlsContexts: readonly ContextStatus[];
}

/** Configuration that came by xDS. A worker takes it or says why not; what it had before stays then. */
export type ConfigChange =
  | {
      readonly kind: "cluster";
      readonly config: ClusterJson;
      /** Circuit-breaker counts that all workers share; undefined with one worker. */
      readonly cells: SharedArrayBuffer | undefined;
    }
  | {
      readonly kind: "listener";
      readonly config: ListenerJson;
      /** Of its connections, in all workers (Count). */
      readonly count: SharedArrayBuffer;
      /** What its filters count together; undefined with one worker. */
      readonly slots: SharedArrayBuffer | undefined;
    }
  | { readonly kind: "routes"; readonly config: RouteConfigurationJson }
  | {
      readonly kind: "extension";
      readonly key: string;
      readonly config: TypedExtensionConfigJson;
      /** What its users count together; undefined with one worker. */
      readonly slots: SharedArrayBuffer | undefined;
    };

/** What becomes of things that were changed before; cannot be refused. */
export type ConfigStep =
  | { readonly kind: "activate-clusters"; readonly names: readonly string[] }
  | { readonly kind: "discard-cluster"; readonly name: string }
  | { readonly kind: "remove-cluster"; readonly name: string }
  | { readonly kind: "discard-listener"; readonly name: string }
  | ({ readonly kind: "remove-listener"; readonly name: string } & DrainOptions)
  | { readonly kind: "forget-routes"; readonly name: string }
  | ({ readonly kind: "scopes"; readonly key: string } & ScopesUpdate)
  | { readonly kind: "forget-scopes"; readonly key: string }
  | { readonly kind: "forget-extension"; readonly key: string };

export type ToWorker =
  | { readonly kind: "change"; readonly id: number; readonly changes: readonly ConfigChange[] }
  | { readonly kind: "step"; readonly step: ConfigStep }
  /** The worker opens its sockets, or takes over those of the listener before. */
  | ({
      readonly kind: "activate-listener";
      readonly id: number;
      readonly name: string;
    } & ActivateOptions)
  | { readonly kind: "members"; readonly members: ClusterMembers }
  | { readonly kind: "host-verdict"; readonly verdict: HostVerdict }
  | { readonly kind: "checked"; readonly checked: CheckedHost }
  /** Undefined: nothing more is heard of it, because nothing uses it that is not on its way out. */
  | { readonly kind: "secret"; readonly key: string; readonly secret: SecretJson | undefined }
  /** Something moved in a directory that TLS contexts watch. */
  | { readonly kind: "reload-certificates"; readonly directory: string }
  /** Open the listeners; `ports` says which real port a listener asked for as 0 got in the first worker. */
  | {
      readonly kind: "listen";
      readonly ports: Readonly<Record<string, number>>;
      /** Its sockets that the others share. */
      readonly shared: Readonly<Record<string, number>>;
    }
  /** Listeners close and connections end, as soon as their requests have. */
  | { readonly kind: "end" }
  /** Answers tell clients to go elsewhere, all after this time. */
  | { readonly kind: "drain"; readonly timeMs: number; readonly inboundOnly: boolean }
  | { readonly kind: "close-listeners"; readonly inboundOnly: boolean }
  | { readonly kind: "health"; readonly failed: boolean }
  | { readonly kind: "overload"; readonly levels: OverloadLevels }
  /** Collect garbage. */
  | { readonly kind: "shrink-heap" }
  | { readonly kind: "runtime"; readonly overrides: Readonly<Record<string, string>> }
  /** By RTDS. */
  | { readonly kind: "runtime-layer"; readonly name: string; readonly values: JsonObject }
  | { readonly kind: "log-level"; readonly level: string }
  | { readonly kind: "reopen-logs" }
  | { readonly kind: "status"; readonly id: number }
  | { readonly kind: "stop" };

/** Of a change that was refused: its place in the message. */
export interface ChangeProblem {
  readonly index: number;
  readonly problems: readonly { readonly path: string; readonly message: string }[];
}

export type FromWorker =
  | { readonly kind: "changed"; readonly id: number; readonly refused: readonly ChangeProblem[] }
  | {
      readonly kind: "activated";
      readonly id: number;
      /** Undefined: it listens. */
      readonly problem: string | undefined;
      readonly listeners: readonly ListenerStatus[];
    }
  | { readonly kind: "stats"; readonly announcement: Announcement }
  | { readonly kind: "compiled" }
  | { readonly kind: "outlier"; readonly report: OutlierReport }
  | { readonly kind: "immediate-failure"; readonly failure: ImmediateFailure }
  | {
      readonly kind: "refused";
      readonly problems: readonly { readonly path: string; readonly message: string }[];
    }
  | { readonly kind: "listening"; readonly listeners: readonly ListenerStatus[] }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "status"; readonly id: number; readonly status: WorkerStatus }
  | {
      readonly kind: "log";
      readonly level: string;
      readonly message: string;
      readonly fields: Record<string, unknown> | undefined;
    }
  | { readonly kind: "idle" }
  | { readonly kind: "stopped" };
