import type { Address } from "#net/address.ts";
import type { Connection } from "#net/connection.ts";
import type { Services } from "../../services.ts";
import type { StatsScope } from "../../stats/stats.ts";
import type { Json } from "../../stream-info.ts";

/** What listener filters find out before a filter chain is chosen; the input of the match. */
export interface AcceptedSocket {
  readonly connection: Connection;
  /** Restored by original_dst; by default the socket's own. */
  local: Address;
  localRestored: boolean;
  remote: Address;
  readonly directRemote: Address;
  serverName: string;
  transportProtocol: "" | "tls" | "raw_buffer";
  applicationProtocols: readonly string[];
  readonly dynamicMetadata: Record<string, { [key: string]: Json }>;
  /** For the connection's network filters. */
  setFilterState(key: string, value: unknown): void;
}

/**
 * `done`: next filter. `more`: call `onData` again when more bytes are there. `close`: drop the connection.
 * A filter that consumes bytes (PROXY protocol) returns how many.
 */
export type ListenerVerdict = {
  readonly verdict: "done" | "more" | "close";
  readonly consumed: number;
};

export interface ListenerFilter {
  /** Bytes to look at before `onData` can decide; 0 when it needs none (original_dst). */
  readonly bytesMax: number;
  onAccept(socket: AcceptedSocket): ListenerVerdict;
  /** `peeked`: everything received so far and not consumed. */
  onData(socket: AcceptedSocket, peeked: Buffer): ListenerVerdict;
  /** The listener filter timeout passed while it waited. */
  onTimeout?(socket: AcceptedSocket): void;
}

export interface ListenerFilterContext {
  readonly services: Services;
  readonly stats: StatsScope;
  readonly listenerScope: StatsScope;
}

export interface ListenerFilterFactory {
  readonly name: string;
  readonly configType: string;
  /** One filter object serves all connections when it has no state; else a new one per connection. */
  compile(config: unknown, context: ListenerFilterContext): () => ListenerFilter;
}
