import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { Timers } from "#lib/timers.ts";
import type { AccessLogSinks } from "./access-log/sinks.ts";
import type { Locality } from "./cluster/host.ts";
import type { ClusterManager } from "./cluster/manager.ts";
import type { DnsCaches } from "./dns-cache/dns-caches.ts";
import type { ExtensionSource } from "./filters/extension-configs.ts";
import type { Health } from "./health.ts";
import type { ImmediateFailure } from "./health-check/host-check.ts";
import type { OutlierReport } from "./outlier/report.ts";
import type { ConnectionCounts } from "./overload/connection-counts.ts";
import type { WorkerOverload } from "./overload/worker-overload.ts";
import type { RouteSource } from "./route/route-configs.ts";
import type { ScopesSource } from "./route/scoped-routes.ts";
import type { Runtime } from "./runtime.ts";
import type { SharedSlots } from "./shared-slots.ts";
import type { StatsScope } from "./stats/stats.ts";
import type { Secrets } from "./tls/secrets.ts";
import type { TlsContexts } from "./tls/status.ts";

/** What a worker gives to everything compiled from configuration. One object a worker; nothing here is global. */
export interface Services {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly stats: StatsScope;
  /** The current layers; read through this object, because a layer may be replaced. */
  readonly runtime: Runtime;
  readonly clusters: ClusterManager;
  readonly logSinks: AccessLogSinks;
  readonly secrets: Secrets;
  /** Route configurations that come by RDS. */
  readonly routeConfigs: RouteSource;
  /** Scopes that come by SRDS. */
  readonly scopedRoutes: ScopesSource;
  /** Configurations of filters that come by ECDS. */
  readonly extensions: ExtensionSource;
  /** Every TLS context that was compiled: /certs asks what they hold, and watched directories have them read files anew. */
  readonly tlsContexts: TlsContexts;
  /** Names that clients ask for (dynamic forward proxies). */
  readonly dnsCaches: DnsCaches;
  /** What the workers of a process count together; undefined with one worker. */
  readonly sharedSlots: SharedSlots | undefined;
  /** 0 in the first: gauges that say the same in all workers are set there only. */
  readonly workerIndex: number;
  /** The same in all workers of a process, so that one opens the session tickets of another. */
  readonly ticketSecret: Uint8Array;
  readonly node: NodeInfo;
  /** /healthcheck/fail was called, or the process drains. */
  readonly health: Health;
  readonly overload: WorkerOverload;
  /** Open downstream connections of all workers. */
  readonly connectionCounts: ConnectionCounts;
  /** A host failed several times in a row: the main thread decides whether it is ejected. */
  reportOutlier(report: OutlierReport): void;
  /** A host asks to be left out; the main thread checks hosts. */
  reportImmediateFailure(failure: ImmediateFailure): void;
  /** Structured operational log; never on the path of a request that succeeds. */
  log(
    level: "debug" | "info" | "warn" | "error",
    message: string,
    fields?: Record<string, unknown>,
  ): void;
}

export interface NodeInfo {
  readonly id: string;
  readonly cluster: string;
  readonly hostname: string;
  readonly zone: string;
  /** Undefined: nothing is known of it. */
  readonly locality?: Locality | undefined;
}
