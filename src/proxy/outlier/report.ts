import type { ConsecutiveKind } from "./config.ts";
import type { SuccessRateThreshold } from "./success-rates.ts";

/** A worker has seen so many failures of one kind, one after another; or the host says that it is degraded. */
export interface OutlierReport {
  readonly cluster: string;
  /** `outlierKey` */
  readonly host: string;
  readonly kind: ConsecutiveKind | "degraded";
}

export type HostState = "ejected" | "degraded";

/** What the main thread has decided for all workers. */
export interface HostVerdict {
  readonly cluster: string;
  /** `outlierKey` */
  readonly host: string;
  readonly state: HostState;
  readonly on: boolean;
}

/** What the success rates of a cluster's hosts are compared with, for /clusters. */
export interface ClusterRates {
  readonly external: SuccessRateThreshold;
  readonly local: SuccessRateThreshold;
}
