import { Timer } from "#lib/timers.ts";
import type { Address } from "#net/address.ts";
import type { CloseReason, ConnectionHandler } from "#net/connection.ts";
import type { RawConnection } from "#net/raw-connection.ts";
import { TlsConnection } from "#net/tls-connection.ts";
import type {
  AcceptedSocket,
  ListenerFilter,
  ListenerVerdict,
} from "../filters/listener/filter.ts";
import type { NetworkFilter, NetworkStream } from "../filters/network/filter.ts";
import { ResponseFlag } from "../response-flags.ts";
import type { Services } from "../services.ts";
import type { Counter } from "../stats/stats.ts";
import { StreamInfo } from "../stream-info.ts";
import type { DownstreamTls } from "../tls/downstream.ts";
import type { CompiledFilterChain, CompiledListener } from "./compile.ts";
import type { ListenerStats } from "./listener-stats.ts";

/** A listener as its connections see it. */
export interface Accepting {
  readonly listener: CompiledListener;
  readonly services: Services;
  readonly stats: ListenerStats;
  /** The listener whose address a restored destination is (use_original_dst). */
  find(address: Address): Accepting | undefined;
  /** Another listener's connection is this one's now. */
  onTaken(connection: ActiveConnection): void;
  onClosed(connection: ActiveConnection): void;
}

const noBytes = Buffer.alloc(0);

/** Peeking: listener filters look at the first bytes. Securing: the TLS handshake. Open: network filters run. */
type State = "peeking" | "securing" | "open" | "closed";

/** One downstream connection from accept to close. Its own timer is for the listener filters, then for the handshake. */
export class ActiveConnection
  extends Timer
  implements ConnectionHandler, NetworkStream, AcceptedSocket
{
  connection: RawConnection;
  readonly dynamicMetadata: AcceptedSocket["dynamicMetadata"] = {};
  readonly directRemote: Address;
  local: Address;
  remote: Address;
  localRestored = false;
  serverName = "";
  transportProtocol: AcceptedSocket["transportProtocol"] = "";
  applicationProtocols: readonly string[] = [];
  #accepting: Accepting;
  #state: State = "peeking";
  #listenerFilters: readonly ListenerFilter[] = [];
  #listenerFilterAt = 0;
  /** Bytes that came before the network filters; bounded by the listener filters' own limits and one read. */
  #peekBuffer: Buffer = noBytes;
  #peekedSize = 0;
  #peekedEnd = false;
  #info: StreamInfo | undefined;
  #filterState: Map<string, unknown> | undefined;
  #filters: readonly NetworkFilter[] = [];
  /** The first filter that has not heard of the connection; -1: all have. */
  #unconnectedFrom = -1;
  /** The network filter that data waits at; -1: it flows. */
  #parkedAt = -1;
  #parkedBytes: Uint8Array[] = [];
  #parkedEnd = false;
  #bornMs = 0;
  #draining = false;
  /** Undefined: not chosen yet, or none fits. */
  #chain: CompiledFilterChain | undefined;

  constructor(accepting: Accepting, connection: RawConnection) {
    super();
    this.#accepting = accepting;
    this.connection = connection;
    this.local = connection.local;
    this.remote = connection.remote;
    this.directRemote = connection.remote;
    connection.handler = this;
  }

  get info(): StreamInfo {
    // Network filters exist only once it does.
    return this.#info as StreamInfo;
  }

  get services(): Services {
    return this.#accepting.services;
  }

  get filterChain(): CompiledFilterChain | undefined {
    return this.#chain;
  }

  start(): void {
    const { listener } = this.#accepting;
    this.connection.bufferLimit = listener.bufferLimit;
    this.#listenerFilters = listener.filters.map((make) => make());
    if (this.#listenerFilters.length > 0) listener.filterTimeout?.arm(this);
    this.#runListenerFilters(true);
    if (!this.connection.closed) this.connection.start();
  }

  // === Listener filters ===

  setFilterState(key: string, value: unknown): void {
    this.#filterState ??= new Map();
    this.#filterState.set(key, value);
  }

  #runListenerFilters(fresh: boolean): void {
    let isNew = fresh;
    while (this.#listenerFilterAt < this.#listenerFilters.length) {
      const filter = this.#listenerFilters[this.#listenerFilterAt] as ListenerFilter;
      let outcome: ListenerVerdict = isNew
        ? filter.onAccept(this)
        : filter.onData(this, this.#peeked());
      if (isNew && outcome.verdict === "more" && this.#peekedSize > 0)
        outcome = filter.onData(this, this.#peeked());
      if (outcome.consumed > 0) this.#consume(outcome.consumed);
      if (outcome.verdict === "close") {
        this.#abandon();
        return;
      }
      if (outcome.verdict === "more") {
        if (this.#peekedEnd) this.#lose(this.#accepting.stats.filterRemoteClose);
        return;
      }
      this.#listenerFilterAt++;
      isNew = true;
    }
    this.cancel();
    this.#open();
  }

  onTimer(): void {
    if (this.#state === "securing") this.#onSecuringTimeout();
    else this.#onFilterTimeout();
  }

  #onFilterTimeout(): void {
    this.#accepting.stats.preTimeout.inc();
    if (!this.#accepting.listener.continueOnTimeout) {
      this.#abandon();
      return;
    }
    this.#listenerFilters[this.#listenerFilterAt]?.onTimeout?.(this);
    this.#listenerFilterAt = this.#listenerFilters.length;
    this.#open();
  }

  /** The client went before the listener filters were done. */
  #lose(counter: Counter): void {
    counter.inc();
    this.#abandon();
  }

  /** Close without a filter chain. */
  #abandon(): void {
    const { stats, listener, services } = this.#accepting;
    this.cancel();
    stats.abandoned();
    this.#state = "closed";
    if (listener.accessLogs.length > 0) {
      this.#info ??= this.#makeInfo(undefined);
      this.#info.endMs = services.clock.monotonicMs();
      for (const log of listener.accessLogs) log.log(this.#info);
    }
    this.#accepting.onClosed(this);
    // Bytes that nobody took make the kernel's close a reset; reading them first changes nothing for the client.
    this.connection.destroy(this.#peekedSize > 0);
  }

  // === Filter chain ===

  #open(): void {
    // Envoy's name for what nobody detected.
    if (this.transportProtocol === "") this.transportProtocol = "raw_buffer";
    this.#handOver();
    const { listener, stats, services } = this.#accepting;
    const chain = listener.match(this);
    this.#chain = chain;
    this.#bornMs = services.clock.monotonicMs();
    if (chain === undefined || chain.filters.length === 0) {
      this.#info = this.#makeInfo(chain);
      this.#refuse(chain === undefined);
      return;
    }
    stats.opened();
    if (chain.tls === undefined) this.#serve(chain);
    else this.#secure(chain, chain.tls);
  }

  /** Network filters are made when the peer is known: one that fails the handshake reaches no upstream. */
  #secure(chain: CompiledFilterChain, tls: DownstreamTls): void {
    this.#state = "securing";
    const { settings } = tls;
    if (settings === undefined || this.#peekedEnd) {
      this.connection.destroy();
      return;
    }
    const peeked = this.#takePeeked();
    chain.secureTimeout?.arm(this);
    this.connection = new TlsConnection(
      this.connection,
      settings,
      {
        onSecure: () => {
          this.cancel();
          this.#serve(chain);
        },
        // The connection's end says it.
        onFailed: () => {},
      },
      peeked,
    );
    this.connection.handler = this;
    this.connection.start();
  }

  #onSecuringTimeout(): void {
    this.#accepting.stats.transportConnectTimeout.inc();
    this.connection.destroy();
  }

  #serve(chain: CompiledFilterChain): void {
    this.#info = this.#makeInfo(chain);
    this.#state = "open";
    this.#filters = chain.filters.map((make) => make(this));
    this.#connectFilters(0);
    if (this.connection.closed) return;
    this.#replayPeeked();
    if (this.#draining) this.drain();
  }

  /** Those after one that parks wait until it resumes. */
  #connectFilters(from: number): void {
    this.#unconnectedFrom = -1;
    for (let i = from; i < this.#filters.length; i++) {
      const parks = this.#filters[i]?.onConnect?.() === "park";
      if (this.connection.closed) return;
      if (!parks) continue;
      this.#unconnectedFrom = i + 1;
      return;
    }
  }

  /** use_original_dst: the connection belongs to the listener that its restored destination names. */
  #handOver(): void {
    if (!this.localRestored || !this.#accepting.listener.useOriginalDst) return;
    const target = this.#accepting.find(this.local);
    if (target === undefined || target === this.#accepting) return;
    this.#accepting.onClosed(this);
    this.#accepting.stats.abandoned();
    this.#accepting = target;
    target.stats.accepted();
    target.onTaken(this);
    this.connection.bufferLimit = target.listener.bufferLimit;
  }

  #makeInfo(chain: CompiledFilterChain | undefined): StreamInfo {
    const { listener, services } = this.#accepting;
    const downstream = {
      connectionId: this.connection.id,
      local: this.local,
      directLocal: this.connection.local,
      remote: this.remote,
      directRemote: this.directRemote,
      tls: this.connection.tls,
      requestedServerName: this.serverName === "" ? undefined : this.serverName,
      listenerName: listener.name,
      filterChainName: chain?.name ?? "",
      listenerMetadata: listener.metadata,
      filterChainMetadata: chain?.metadata,
    };
    const info = new StreamInfo(downstream, services.clock.wallMs(), this.#bornMs);
    if (Object.keys(this.dynamicMetadata).length > 0) info.dynamicMetadata = this.dynamicMetadata;
    info.filterState = this.#filterState;
    return info;
  }

  #refuse(noMatch: boolean): void {
    const { stats } = this.#accepting;
    if (noMatch) {
      stats.noFilterChainMatch.inc();
      this.info.addFlags(ResponseFlag.noRouteFound);
      this.info.responseCodeDetails = "filter_chain_not_found";
    } else {
      stats.extensionConfigMissing.inc();
    }
    this.#abandon();
  }

  #takePeeked(): Buffer {
    const peeked = this.#peeked();
    this.#peekBuffer = noBytes;
    this.#peekedSize = 0;
    return peeked;
  }

  #replayPeeked(): void {
    const peeked = this.#takePeeked();
    if (peeked.length > 0) this.#pass(0, peeked, this.#peekedEnd);
    else if (this.#peekedEnd) this.#pass(0, noBytes, true);
  }

  // === Bytes ===

  onData(chunk: Uint8Array): void {
    if (this.#state === "open") {
      this.#pass(0, chunk, false);
      return;
    }
    this.#peek(chunk);
    this.#runListenerFilters(false);
  }

  #peeked(): Buffer {
    return this.#peekBuffer.subarray(0, this.#peekedSize);
  }

  /** Room doubles: a hello that comes byte by byte is not copied as often as it has bytes. */
  #peek(chunk: Uint8Array): void {
    const size = this.#peekedSize + chunk.length;
    if (size > this.#peekBuffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, 2 * this.#peekBuffer.length));
      grown.set(this.#peeked());
      this.#peekBuffer = grown;
    }
    this.#peekBuffer.set(chunk, this.#peekedSize);
    this.#peekedSize = size;
  }

  #consume(size: number): void {
    this.#peekBuffer = this.#peekBuffer.subarray(size);
    this.#peekedSize -= size;
  }

  onEnd(): void {
    if (this.#state === "open") {
      this.#pass(0, noBytes, true);
      return;
    }
    this.#peekedEnd = true;
    this.#runListenerFilters(false);
  }

  #pass(from: number, chunk: Uint8Array, end: boolean): void {
    if (this.#parkedAt >= 0) {
      this.#keep(chunk, end);
      return;
    }
    const filters = this.#filters;
    const last = filters.length - 1;
    for (let i = from; i < last; i++) {
      const verdict = (filters[i] as NetworkFilter).onData(chunk, end);
      if (verdict === "continue") continue;
      if (verdict === "consume") return;
      this.#parkedAt = i;
      this.connection.pause();
      this.#keep(chunk, end);
      return;
    }
    (filters[last] as NetworkFilter).onData(chunk, end);
  }

  #keep(chunk: Uint8Array, end: boolean): void {
    if (chunk.length > 0) this.#parkedBytes.push(new Uint8Array(chunk));
    this.#parkedEnd ||= end;
  }

  resume(): void {
    if (this.connection.closed) return;
    if (this.#unconnectedFrom >= 0) this.#connectFilters(this.#unconnectedFrom);
    if (this.#parkedAt < 0 || this.connection.closed) return;
    const next = this.#parkedAt + 1;
    this.#parkedAt = -1;
    const bytes = Buffer.concat(this.#parkedBytes);
    this.#parkedBytes = [];
    this.connection.resume();
    if (bytes.length > 0 || this.#parkedEnd) this.#pass(next, bytes, this.#parkedEnd);
  }

  onUnwritable(): void {
    for (const filter of this.#filters) filter.onUnwritable?.();
  }

  onWritable(): void {
    for (const filter of this.#filters) filter.onWritable?.();
  }

  // === The end ===

  close(flags: number, details: string): void {
    this.info.addFlags(flags);
    if (details !== "") this.info.connectionTerminationDetails = details;
    this.connection.closeAfterFlush();
  }

  drain(): void {
    // Its filters may not be there yet.
    this.#draining = true;
    for (const filter of this.#filters) filter.drain?.();
  }

  destroy(): void {
    this.connection.destroy();
  }

  onClose(reason: CloseReason): void {
    if (this.#state === "closed") return;
    if (this.#state === "peeking") {
      const { stats } = this.#accepting;
      if (reason.kind === "local") this.#abandon();
      else this.#lose(reason.kind === "error" ? stats.filterError : stats.filterRemoteClose);
      return;
    }
    if (this.#state === "securing") {
      this.cancel();
      this.#info = this.#makeInfo(this.#chain);
      this.#info.downstreamTransportFailureReason = reason.detail;
    }
    this.#state = "closed";
    const { stats, listener, services } = this.#accepting;
    const { info } = this;
    info.endMs = services.clock.monotonicMs();
    for (const filter of this.#filters) filter.onClose?.(reason);
    stats.closed(info.endMs - this.#bornMs);
    for (const log of listener.accessLogs) log.log(info);
    this.#accepting.onClosed(this);
  }
}
