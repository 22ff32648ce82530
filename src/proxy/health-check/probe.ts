import type { HttpVersion } from "#http/message.ts";
import type { Random } from "#lib/random.ts";
import type { Host } from "../cluster/host.ts";
import type { Runtime } from "../runtime.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { CheckStats } from "./check-stats.ts";
import type { Connector } from "./connector.ts";

export type FailureType = "ACTIVE" | "PASSIVE" | "NETWORK" | "NETWORK_TIMEOUT";

export interface Failure {
  readonly type: FailureType;
  /** It counts towards the threshold instead of being enough alone. */
  readonly retriable?: boolean;
  /** The host wants to be left out. */
  readonly excluded?: boolean;
}

/** Hears how a check went; exactly once for each. */
export interface ProbeOwner {
  onPassed(degraded: boolean): void;
  onFailed(failure: Failure): void;
}

/** Checks one host, one check at a time; keeps its connection in between. */
export interface Probe {
  begin(): void;
  /** The check takes too long: its owner has counted it. */
  giveUp(): void;
  destroy(): void;
}

export interface ProbeContext {
  readonly owner: ProbeOwner;
  readonly host: Host;
  /** What the endpoint is called when it is checked; "": it has no name of its own. */
  readonly hostname: string;
  readonly cluster: string;
  readonly timeoutMs: number;
  readonly reuseConnection: boolean;
  readonly connector: Connector;
  readonly stats: CheckStats;
  readonly runtime: Runtime;
  readonly random: Random;
  /** For header formats. */
  readonly streamInfo: (protocol: HttpVersion) => StreamInfo;
}

/** One for each kind of check. */
export interface ProbeFactory {
  readonly type: "HTTP" | "TCP" | "GRPC";
  make(context: ProbeContext): Probe;
}
