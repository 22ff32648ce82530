import type { CloseReason, Connection } from "#net/connection.ts";
import type { Services } from "../../services.ts";
import type { StatsScope } from "../../stats/stats.ts";
import type { StreamInfo } from "../../stream-info.ts";

/** `park`: filters after this one wait until it calls `resume`; data is not read meanwhile. */
export type NetworkVerdict = "continue" | "park";

/** `consume`: these bytes go no further; what follows comes to this filter too. It closes the connection in the end. */
export type DataVerdict = NetworkVerdict | "consume";

/** Filters of one downstream connection. `onConnect` runs in order when the chain is made; data passes through in order. */
export interface NetworkFilter {
  onConnect?(): NetworkVerdict;
  /** `end`: the peer's FIN came with or after these bytes. Bytes are valid only during the call. */
  onData(chunk: Uint8Array, end: boolean): DataVerdict;
  onUnwritable?(): void;
  onWritable?(): void;
  /** The downstream connection is gone. */
  onClose?(reason: CloseReason): void;
  /** Drain: finish what runs, take no more, then close (HTTP sends `connection: close`). */
  drain?(): void;
}

/** The connection as a network filter sees it. */
export interface NetworkStream {
  readonly connection: Connection;
  readonly info: StreamInfo;
  readonly services: Services;
  /** Parked filters go on. */
  resume(): void;
  close(flags: number, details: string): void;
}

export interface NetworkFilterContext {
  readonly services: Services;
  /** The worker's root scope; filters take "http.<stat_prefix>." and the like from it. */
  readonly stats: StatsScope;
  readonly listenerName: string;
  /** `listener.<address or stat_prefix>.` */
  readonly listenerScope: StatsScope;
  readonly bufferLimit: number;
  /** Sockets of this listener carry traffic to the mesh (`traffic_direction`). */
  readonly direction: "INBOUND" | "OUTBOUND" | undefined;
}

export interface NetworkFilterFactory {
  readonly name: string;
  readonly configType: string;
  readonly terminal?: boolean;
  compile(config: unknown, context: NetworkFilterContext): (stream: NetworkStream) => NetworkFilter;
}
