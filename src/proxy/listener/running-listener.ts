import type { Address } from "#net/address.ts";
import type { ListeningSocket } from "#net/listen.ts";
import type { Count } from "../overload/connection-counts.ts";
import type { Services } from "../services.ts";
import type { Accepting, ActiveConnection } from "./active-connection.ts";
import type { CompiledListener } from "./compile.ts";
import type { ListenerStats } from "./listener-stats.ts";

/** What a listener has of the manager of all. */
export interface ListenerOwner {
  find(address: Address): Accepting | undefined;
  countTaken(listener: CompiledListener): void;
  onClosed(listener: CompiledListener): void;
}

/** A listener with its sockets and connections; its configuration may be replaced under them. */
export class RunningListener implements Accepting {
  listener: CompiledListener;
  readonly services: Services;
  readonly stats: ListenerStats;
  readonly sockets: ListeningSocket[] = [];
  /** Its sockets are open, or being opened. */
  opened = false;
  readonly connections: Set<ActiveConnection> = new Set();
  /** Its connections in all workers. */
  readonly count: Count;
  readonly limitKey: string;
  readonly #owner: ListenerOwner;

  constructor(
    listener: CompiledListener,
    parts: {
      readonly services: Services;
      readonly stats: ListenerStats;
      readonly count: Count;
      readonly owner: ListenerOwner;
    },
  ) {
    this.listener = listener;
    this.services = parts.services;
    this.stats = parts.stats;
    this.count = parts.count;
    this.#owner = parts.owner;
    this.limitKey = `envoy.resource_limits.listener.${listener.name}.connection_limit`;
  }

  find(address: Address): Accepting | undefined {
    return this.#owner.find(address);
  }

  onTaken(connection: ActiveConnection): void {
    this.#owner.countTaken(this.listener);
    this.count.add();
    this.connections.add(connection);
  }

  onClosed(connection: ActiveConnection): void {
    if (!this.connections.delete(connection)) return;
    this.count.subtract();
    this.#owner.onClosed(this.listener);
  }
}
