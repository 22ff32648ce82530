import type { ConsecutiveKind } from "./config.ts";

/** A worker has seen so many failures of one kind, one after another. */
export interface OutlierReport {
  readonly cluster: string;
  /** `outlierKey` */
  readonly host: string;
  readonly kind: ConsecutiveKind;
}

/** What the main thread has decided for all workers. */
export interface Ejection {
  readonly cluster: string;
  /** `outlierKey` */
  readonly host: string;
  readonly ejected: boolean;
}
