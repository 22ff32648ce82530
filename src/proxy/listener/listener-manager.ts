import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import { type Address, addressText, ipAddress } from "#net/address.ts";
import { libc } from "#net/libc.ts";
import { type ListeningSocket, listen } from "#net/listen.ts";
import type { RawConnection } from "#net/raw-connection.ts";
import type { Count } from "../overload/connection-counts.ts";
import type { Services } from "../services.ts";
import type { ListenerStatus } from "../worker-protocol.ts";
import { type Accepting, ActiveConnection } from "./active-connection.ts";
import { type CompiledListener, type CompiledSocket, compileListener } from "./compile.ts";
import { ListenerStats } from "./listener-stats.ts";

interface RunningListener extends Accepting {
  readonly sockets: ListeningSocket[];
  readonly connections: Set<ActiveConnection>;
  readonly limitKey: string;
  /** Its connections in all workers. */
  readonly count: Count;
}

const globalLimitKey = "overload.global_downstream_max_connections";

/** Listening descriptors of the first worker, by `name#index`. */
export type SharedSockets = Readonly<Record<string, number>>;

/** A worker's listeners: their sockets, and every connection that came in through them. */
export class ListenerManager {
  readonly #services: Services;
  readonly #workers: { readonly workerIndex: number; readonly concurrency: number };
  readonly #listeners: RunningListener[] = [];
  readonly #accepted: Count;
  readonly #limited: Count;
  #onIdle: (() => void) | undefined;
  #paused = false;

  constructor(
    services: Services,
    workers: { readonly workerIndex: number; readonly concurrency: number },
  ) {
    this.#services = services;
    this.#workers = workers;
    this.#accepted = services.connectionCounts.accepted;
    this.#limited = services.connectionCounts.limited;
  }

  /** Throws ConfigError with every problem of every listener. */
  compile(configs: readonly ListenerJson[]): void {
    const names = new Set<string>();
    const compiled = compileEach("listeners", configs, (config) => {
      const listener = compileListener(config, this.#services);
      if (names.has(listener.name))
        throw refuse("name", `duplicate listener name '${listener.name}'`);
      names.add(listener.name);
      return listener;
    });
    for (const [index, listener] of compiled.entries())
      this.#listeners.push(this.#running(listener, index));
  }

  #running(listener: CompiledListener, index: number): RunningListener {
    const count = this.#services.connectionCounts.listener(index);
    const connections = new Set<ActiveConnection>();
    return {
      listener,
      services: this.#services,
      stats: new ListenerStats(listener.scope, this.#workers.workerIndex),
      sockets: [],
      connections,
      find: (address) => this.#findFor(address),
      limitKey: `envoy.resource_limits.listener.${listener.name}.connection_limit`,
      count,
      onTaken: (connection) => {
        this.#countTaken(listener);
        count.add();
        connections.add(connection);
      },
      onClosed: (connection) => {
        if (!connections.delete(connection)) return;
        this.#uncount(listener);
        count.subtract();
        this.#checkIdle();
      },
    };
  }

  /** Whether the limit of the whole process lets one more connection in; it is counted then. */
  #countAccepted({ overload, ignoresGlobalLimit }: CompiledListener): boolean {
    if (overload.connectionsMax !== undefined && !ignoresGlobalLimit) {
      if (!this.#limited.addWithin(overload.connectionsMax)) {
        overload.connectionsRefused?.inc();
        return false;
      }
      this.#accepted.add();
      return true;
    }
    const { runtime } = this.#services;
    const max = ignoresGlobalLimit
      ? Number.POSITIVE_INFINITY
      : runtime.number(globalLimitKey, Number.POSITIVE_INFINITY);
    return this.#accepted.addWithin(max);
  }

  #countTaken({ overload, ignoresGlobalLimit }: CompiledListener): void {
    this.#accepted.add();
    if (overload.connectionsMax !== undefined && !ignoresGlobalLimit) this.#limited.add();
  }

  #uncount({ overload, ignoresGlobalLimit }: CompiledListener): void {
    this.#accepted.subtract();
    if (overload.connectionsMax !== undefined && !ignoresGlobalLimit) this.#limited.subtract();
  }

  /** The listener for a restored destination: its very address, else any address on its port. */
  #findFor(address: Address): Accepting | undefined {
    const text = addressText(address);
    const exact = this.#listeners.find(({ listener }) =>
      listener.addresses.some((own) => addressText(own) === text),
    );
    const wildcard = address.family === 6 ? "::" : "0.0.0.0";
    return (
      exact ??
      this.#listeners.find(({ listener }) =>
        listener.addresses.some((own) => own.port === address.port && own.ip === wildcard),
      )
    );
  }

  /** Open every socket. `ports`: what port 0 became in the first worker, by `name#index`. */
  async start(ports: Readonly<Record<string, number>>, shared: SharedSockets = {}): Promise<void> {
    for (const running of this.#listeners) {
      if (!running.listener.bindToPort) continue;
      for (const [index, socket] of running.listener.sockets.entries()) {
        const { address } = socket;
        const key = `${running.listener.name}#${index}`;
        const port = ports[key];
        const asked =
          port !== undefined && address.family !== "pipe" ? ipAddress(address.ip, port) : address;
        try {
          const opened = await this.#open(running, { ...socket, address: asked }, shared[key]);
          running.sockets.push(opened);
          if (this.#paused && !running.listener.overload.bypasses) opened.pause();
        } catch (cause) {
          throw new Error(
            `listener '${running.listener.name}' cannot listen on ${addressText(asked)}: ${cause instanceof Error ? cause.message : String(cause)}`,
            { cause },
          );
        }
      }
    }
  }

  #open(
    running: RunningListener,
    { address, options, ipv6Only, mode }: CompiledSocket,
    shared: number | undefined,
  ): Promise<ListeningSocket> {
    const { config, reusePort = this.#workers.concurrency > 1 } = running.listener;
    const settings = {
      backlog: config.tcpBacklogSize,
      reusePort: reusePort && address.family !== "pipe",
      ipv6Only,
      mode,
      socketOptions: options,
      // Of its own: whoever closes first must not close the others'.
      fileDescriptor: shared === undefined ? undefined : libc().dup(shared),
    };
    return listen(address, settings, (connection) => this.#accept(running, connection));
  }

  /** Where the workers cannot each bind, they accept from the first one's socket. */
  #isShared({ address }: ListeningSocket, { listener }: RunningListener): boolean {
    if (this.#workers.concurrency === 1) return false;
    return address.family === "pipe" || listener.reusePort === false;
  }

  #accept(running: RunningListener, connection: RawConnection): void {
    if (!this.#admits(running)) {
      connection.destroy();
      return;
    }
    running.stats.accepted();
    const active = new ActiveConnection(running, connection);
    running.connections.add(active);
    active.start();
  }

  /** False: it is counted as refused. True: it is counted as open. */
  #admits({ listener, stats, limitKey, count }: RunningListener): boolean {
    if (!this.#countAccepted(listener)) {
      stats.globalOverflow.inc();
      return false;
    }
    if (listener.overload.rejecting && listener.overload.rejectsConnection()) {
      stats.overloadReject.inc();
      this.#uncount(listener);
      return false;
    }
    const max = this.#services.runtime.number(limitKey, Number.POSITIVE_INFINITY);
    if (count.addWithin(max)) return true;
    stats.overflowed();
    this.#uncount(listener);
    return false;
  }

  /** Overloaded: clients wait in the kernel, up to the backlog. */
  set paused(paused: boolean) {
    if (this.#paused === paused) return;
    this.#paused = paused;
    for (const { listener, sockets } of this.#listeners) {
      if (listener.overload.bypasses) continue;
      for (const socket of sockets) {
        if (paused) socket.pause();
        else socket.resume();
      }
    }
  }

  get connectionsActive(): number {
    return this.#listeners.reduce((sum, running) => sum + running.connections.size, 0);
  }

  status(): ListenerStatus[] {
    return this.#listeners.map((running) => {
      const { listener, sockets } = running;
      if (sockets.length === 0) return { name: listener.name, addresses: listener.addresses };
      const addresses = sockets.map((socket) =>
        this.#isShared(socket, running)
          ? { ...socket.address, descriptor: socket.fileDescriptor }
          : socket.address,
      );
      return { name: listener.name, addresses };
    });
  }

  /** No more connections; those that are there go on. */
  close(inboundOnly: boolean): void {
    for (const { listener, sockets } of this.#listeners) {
      if (inboundOnly && listener.direction !== "INBOUND") continue;
      for (const socket of sockets.splice(0)) socket.close();
    }
  }

  drain(onIdle: () => void): void {
    this.#onIdle = onIdle;
    this.close(false);
    for (const { connections } of this.#listeners)
      for (const connection of [...connections]) connection.drain();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#onIdle === undefined || this.connectionsActive > 0) return;
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle();
  }

  stop(): void {
    for (const running of this.#listeners) {
      for (const socket of running.sockets.splice(0)) socket.close();
      for (const connection of [...running.connections]) connection.destroy();
    }
  }
}
