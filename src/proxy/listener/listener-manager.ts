import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import { type Address, addressText, ipAddress } from "#net/address.ts";
import { libc } from "#net/libc.ts";
import { type ListeningSocket, listen } from "#net/listen.ts";
import type { RawConnection } from "#net/raw-connection.ts";
import type { HeldContexts } from "../lease.ts";
import { Count } from "../overload/connection-counts.ts";
import type { Services } from "../services.ts";
import type { ListenerStatus } from "../worker-protocol.ts";
import { type Accepting, ActiveConnection } from "./active-connection.ts";
import {
  type CompiledFilterChain,
  type CompiledListener,
  type CompiledSocket,
  compileListener,
  sameSockets,
} from "./compile.ts";
import { ListenerStats } from "./listener-stats.ts";
import { type ListenerOwner, RunningListener } from "./running-listener.ts";

interface ListenersContext {
  readonly services: Services;
  readonly contexts: HeldContexts;
  readonly workerIndex: number;
  readonly concurrency: number;
}

export interface DrainOptions {
  readonly drainMs: number;
  /** More and more clients are sent away, instead of all at once. */
  readonly gradual: boolean;
}

/** What port 0 became in the first worker, and the sockets that it shares, by `name#index`. */
export interface ActivateOptions extends DrainOptions {
  readonly ports: Readonly<Record<string, number>>;
  readonly shared: SharedSockets;
}

const globalLimitKey = "overload.global_downstream_max_connections";

/** Listening descriptors of the first worker, by `name#index`. */
export type SharedSockets = Readonly<Record<string, number>>;

/** A worker's listeners: their sockets, and every connection that came in through them. */
export class ListenerManager implements ListenerOwner {
  readonly #context: ListenersContext;
  readonly #listeners: RunningListener[] = [];
  /** Compiled, and not in use before their routes and secrets are there. */
  readonly #warming: Map<string, { readonly listener: CompiledListener; readonly count: Count }> =
    new Map();
  /** Removed: their last connections drain. */
  readonly #leaving: Set<RunningListener> = new Set();
  readonly #accepted: Count;
  readonly #limited: Count;
  #onIdle: (() => void) | undefined;
  #paused = false;
  /** Which listeners accept no more, whatever a control plane still sends. */
  #closed: "none" | "inbound" | "all" = "none";

  constructor(context: ListenersContext) {
    this.#context = context;
    this.#accepted = context.services.connectionCounts.accepted;
    this.#limited = context.services.connectionCounts.limited;
  }

  /** Throws ConfigError with every problem of every listener. */
  compile(configs: readonly ListenerJson[]): void {
    const names = new Set<string>();
    const { services, contexts } = this.#context;
    const compiled = compileEach("listeners", configs, (config) => {
      const listener = compileListener(config, { services, contexts });
      if (names.has(listener.name))
        throw refuse("name", `duplicate listener name '${listener.name}'`);
      names.add(listener.name);
      return listener;
    });
    for (const [index, listener] of compiled.entries())
      this.#listeners.push(this.#running(listener, services.connectionCounts.listener(index)));
  }

  #running(listener: CompiledListener, count: Count): RunningListener {
    const { services, workerIndex } = this.#context;
    return new RunningListener(listener, {
      services,
      stats: new ListenerStats(listener.scope, workerIndex),
      count,
      owner: this,
    });
  }

  /**
   * Compile a listener that is new or changed; it takes effect when it is activated. Throws ConfigError: what was there stays.
   * `memory` is of the count of its connections in all workers.
   */
  prepare(config: ListenerJson, services: Services, memory: SharedArrayBuffer): void {
    const before = this.#named(config.name ?? "")?.listener;
    const { contexts } = this.#context;
    const listener = compileListener(config, { services, contexts, before });
    this.discard(listener.name);
    this.#warming.set(listener.name, { listener, count: Count.of(memory) });
  }

  /** The prepared listener is wanted no more. */
  discard(name: string): void {
    const warming = this.#warming.get(name);
    if (warming === undefined) return;
    this.#warming.delete(name);
    const kept = new Set(this.#named(name)?.listener.chains);
    for (const chain of warming.listener.chains) if (!kept.has(chain)) chain.lease.end();
  }

  /**
   * The prepared listener takes the place of the one of its name. When both have the same addresses it takes over the sockets, and connections
   * whose filter chain is the same in both stay. All others are told to go within `drainMs`. Rejects when it cannot listen: what was there stays.
   */
  async activate(name: string, options: ActivateOptions): Promise<void> {
    const warming = this.#warming.get(name);
    if (warming === undefined) return;
    this.#warming.delete(name);
    const before = this.#named(name);
    if (before !== undefined && sameSockets(before.listener, warming.listener)) {
      this.#replaceIn(before, warming.listener, options);
      return;
    }
    const running = this.#running(warming.listener, warming.count);
    // Two sockets of one address would share its connections, or the second could not be opened.
    const taken = before !== undefined && overlap(before, warming.listener);
    if (taken) closeSockets(before);
    this.#listeners.push(running);
    try {
      await this.#openAll(running, options.ports, options.shared);
    } catch (error) {
      this.#giveUp(running);
      if (taken) await this.#reopen(before);
      throw error;
    }
    if (before !== undefined && this.#listeners.includes(before)) this.#remove(before, options);
  }

  #replaceIn(running: RunningListener, next: CompiledListener, drain: DrainOptions): void {
    const { listener: before } = running;
    const left = new Set(before.chains).difference(new Set(next.chains));
    running.listener = next;
    if (isLimited(before) !== isLimited(next))
      for (let i = running.connections.size; i > 0; i--) {
        if (isLimited(next)) this.#limited.add();
        else this.#limited.subtract();
      }
    // Connections whose chain is not chosen yet choose among the new ones.
    const leaves = ({ filterChain }: ActiveConnection): boolean =>
      filterChain !== undefined && left.has(filterChain);
    this.#retire(running, { chains: left, leaves }, drain);
  }

  /** One that cannot listen. */
  #giveUp(running: RunningListener): void {
    closeSockets(running);
    const index = this.#listeners.indexOf(running);
    if (index >= 0) this.#listeners.splice(index, 1);
    for (const connection of [...running.connections]) connection.destroy();
    for (const { lease } of running.listener.chains) lease.end();
  }

  /** Its sockets were closed for a listener that could not open them. */
  async #reopen(running: RunningListener): Promise<void> {
    if (!this.#listeners.includes(running)) return;
    running.opened = false;
    await this.#openAll(running, {}, {});
  }

  remove(name: string, drain: DrainOptions): void {
    this.discard(name);
    const running = this.#named(name);
    if (running !== undefined) this.#remove(running, drain);
  }

  #named(name: string): RunningListener | undefined {
    return this.#listeners.find(({ listener }) => listener.name === name);
  }

  #remove(running: RunningListener, drain: DrainOptions): void {
    closeSockets(running);
    this.#listeners.splice(this.#listeners.indexOf(running), 1);
    this.#leaving.add(running);
    const all = { chains: new Set(running.listener.chains), leaves: () => true };
    this.#retire(running, all, drain, () => this.#leaving.delete(running));
  }

  /** Connections that have to leave are sent away little by little, and closed in the end. */
  #retire(
    running: RunningListener,
    { chains, leaves }: Leaving,
    { drainMs, gradual }: DrainOptions,
    onDone: () => void = () => {},
  ): void {
    const { clock } = this.#context.services;
    const timeMs = gradual ? drainMs : 0;
    for (const { lease } of chains)
      lease.services.health.drain({ clock, timeMs, inboundOnly: false });
    const end = (): void => {
      for (const connection of [...running.connections])
        if (leaves(connection)) connection.destroy();
      for (const { lease } of chains) lease.end();
      onDone();
    };
    // Nobody to wait for, as with most changes of a configuration.
    if ([...running.connections].some(leaves)) clock.after(drainMs, end);
    else end();
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
    const { runtime } = this.#context.services;
    const max = ignoresGlobalLimit
      ? Number.POSITIVE_INFINITY
      : runtime.number(globalLimitKey, Number.POSITIVE_INFINITY);
    return this.#accepted.addWithin(max);
  }

  countTaken(listener: CompiledListener): void {
    this.#accepted.add();
    if (isLimited(listener)) this.#limited.add();
  }

  onClosed(listener: CompiledListener): void {
    this.#uncount(listener);
    this.#checkIdle();
  }

  #uncount(listener: CompiledListener): void {
    this.#accepted.subtract();
    if (isLimited(listener)) this.#limited.subtract();
  }

  /** The listener for a restored destination: its very address, else any address on its port. */
  find(address: Address): Accepting | undefined {
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
    for (const running of this.#listeners) await this.#openAll(running, ports, shared);
  }

  async #openAll(
    running: RunningListener,
    ports: Readonly<Record<string, number>>,
    shared: SharedSockets,
  ): Promise<void> {
    const { listener, sockets } = running;
    // One that a control plane sent before the others began to listen is open already.
    if (!listener.bindToPort || running.opened || this.#isClosed(listener)) return;
    running.opened = true;
    for (const [index, socket] of listener.sockets.entries()) {
      const { address } = socket;
      const key = `${listener.name}#${index}`;
      const port = ports[key];
      const asked =
        port !== undefined && address.family !== "pipe" ? ipAddress(address.ip, port) : address;
      try {
        const opened = await this.#open(running, { ...socket, address: asked }, shared[key]);
        // Removed, or none is wanted any more, while it was being opened.
        if (!this.#listeners.includes(running) || this.#isClosed(listener)) opened.close();
        else sockets.push(opened);
        if (this.#paused && !listener.overload.bypasses) opened.pause();
      } catch (cause) {
        throw new Error(
          `listener '${listener.name}' cannot listen on ${addressText(asked)}: ${cause instanceof Error ? cause.message : String(cause)}`,
          { cause },
        );
      }
    }
  }

  #open(
    running: RunningListener,
    { address, options, ipv6Only, mode }: CompiledSocket,
    shared: number | undefined,
  ): Promise<ListeningSocket> {
    const { config, reusePort = this.#context.concurrency > 1 } = running.listener;
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
    if (this.#context.concurrency === 1) return false;
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
    const max = this.#context.services.runtime.number(limitKey, Number.POSITIVE_INFINITY);
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
    let sum = 0;
    for (const { connections } of [...this.#listeners, ...this.#leaving]) sum += connections.size;
    return sum;
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
    if (this.#closed !== "all") this.#closed = inboundOnly ? "inbound" : "all";
    for (const running of this.#listeners)
      if (this.#isClosed(running.listener)) closeSockets(running);
  }

  #isClosed({ direction }: CompiledListener): boolean {
    return this.#closed === "all" || (this.#closed === "inbound" && direction === "INBOUND");
  }

  drain(onIdle: () => void): void {
    this.#onIdle = onIdle;
    this.close(false);
    for (const { connections } of [...this.#listeners, ...this.#leaving])
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
    for (const running of [...this.#listeners, ...this.#leaving]) {
      closeSockets(running);
      for (const connection of [...running.connections]) connection.destroy();
    }
  }
}

/** What of a listener goes. */
interface Leaving {
  readonly chains: ReadonlySet<CompiledFilterChain>;
  readonly leaves: (connection: ActiveConnection) => boolean;
}

function closeSockets({ sockets }: RunningListener): void {
  for (const socket of sockets.splice(0)) socket.close();
}

/** The overload manager's limit holds for its connections. */
function isLimited({ overload, ignoresGlobalLimit }: CompiledListener): boolean {
  return overload.connectionsMax !== undefined && !ignoresGlobalLimit;
}

/** One of its sockets has an address of the other. */
function overlap({ sockets }: RunningListener, next: CompiledListener): boolean {
  const texts = new Set(sockets.map(({ address }) => addressText(address)));
  return next.addresses.some((address) => texts.has(addressText(address)));
}
