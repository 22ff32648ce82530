import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { AccessLog } from "../access-log/access-log.ts";
import type { ClusterMembers } from "../cluster/host.ts";
import type { DynamicDump } from "../dynamic/dynamic-config.ts";
import type { ClusterRates } from "../outlier/report.ts";
import type { RuntimeListing } from "../runtime-layers.ts";
import type { MainStats } from "../stats/main-stats.ts";
import type { HostStatus, ListenerStatus } from "../worker-protocol.ts";

/** What the admin pages show and do; implemented by whoever runs the proxy. */
export interface AdminSource {
  readonly bootstrap: BootstrapJson;
  readonly stats: MainStats;
  readonly version: string;
  readonly commandLine: Readonly<Record<string, unknown>>;
  readonly uptimeMs: number;
  /** Envoy's word: LIVE, DRAINING, PRE_INITIALIZING, INITIALIZING. */
  readonly state: string;
  readonly listeners: readonly ListenerStatus[];
  clusters(): Promise<ReadonlyMap<string, readonly HostStatus[]>>;
  members(cluster: string): ClusterMembers | undefined;
  /** Of outlier detection; undefined: the cluster has none. */
  successRates?(cluster: string): ClusterRates | undefined;
  readonly logLevels: ReadonlyMap<string, string>;
  /** Returns why not, or undefined. */
  setLogLevels(levels: ReadonlyMap<string, string>): string | undefined;
  runtime(): RuntimeListing;
  modifyRuntime(values: ReadonlyMap<string, string>): string | undefined;
  setHealthFailed(failed: boolean): void;
  drain(options: {
    readonly graceful: boolean;
    readonly skipExit: boolean;
    readonly inboundOnly: boolean;
  }): void;
  reopenLogs(): void;
  quit(): void;
  /** `admin.access_log`, compiled. */
  readonly accessLogs?: readonly AccessLog[];
  /** What came by xDS; undefined: the bootstrap says everything. */
  dynamic?(): DynamicDump | undefined;
  /** admin.v3.Certificate messages with proto names. */
  certificates?(): Promise<readonly object[]>;
  /** What the start still waits for, for /init_dump. */
  readonly unready?: readonly string[];
}
