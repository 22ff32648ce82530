import { ByteMeter } from "#http/byte-meter.ts";
import { Timer, type TimerList } from "#lib/timers.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import { dispatch } from "#net/raw-connection.ts";
import type { AccessLog } from "../../../access-log/access-log.ts";
import type { HashPolicy } from "../../../balancer/hash-policy.ts";
import type { MetadataMatch } from "../../../balancer/metadata-match.ts";
import type { Host } from "../../../cluster/host.ts";
import type { Cluster } from "../../../cluster/manager.ts";
import { connectErrorText } from "../../../connect-error.ts";
import { ProxyOptions, type ProxyTlv, proxyOptionsKey } from "../../../proxy-options.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { Services } from "../../../services.ts";
import type { Counter, Gauge } from "../../../stats/stats.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { NetworkFilter, NetworkStream, NetworkVerdict } from "../filter.ts";
import {
  Tunnel,
  type TunnelFailure,
  type TunnelSettings,
  type TunnelTarget,
  type UpstreamEnd,
} from "./tunnel.ts";

export interface ClusterChoice {
  readonly name: string;
  /** Its own over the proxy's. */
  readonly metadataMatch: MetadataMatch | undefined;
}

export interface TcpProxySettings {
  readonly services: Services;
  readonly chooseCluster: () => ClusterChoice;
  readonly hashPolicy: HashPolicy | undefined;
  readonly metadataMatch: MetadataMatch | undefined;
  readonly accessLogs: readonly AccessLog[];
  readonly idleTimeout: TimerList | undefined;
  /** Milliseconds for one connection; undefined: for ever. */
  readonly maxDurationMs: (() => number) | undefined;
  /** Wait before the attempt after the nth failed one; undefined: none. */
  readonly backoffMs: ((failures: number) => number) | undefined;
  readonly logFlush: TimerList | undefined;
  readonly logsConnected: boolean;
  /** For an upstream PROXY header; undefined: none. */
  /** What may be read before the upstream is there; undefined: nothing. */
  readonly earlyBytesMax: number | undefined;
  /** The upstream is connected when the client has said something. */
  readonly waitsForData: boolean;
  /** Undefined: bytes go to the upstream as they are. */
  readonly tunnel: TunnelSettings | undefined;
  readonly proxyTlvs: ((info: StreamInfo) => readonly ProxyTlv[]) | undefined;
  readonly connectAttemptsMax: number;
  readonly stats: Readonly<
    Record<
      | "total"
      | "noRoute"
      | "bytesReceived"
      | "bytesSent"
      | "paused"
      | "resumed"
      | "idleTimeout"
      | "maxDuration"
      | "flushTotal"
      | "earlyData",
      Counter
    >
  > & { readonly flushActive: Gauge };
}

/** Filter state by which a filter before this one (sni_cluster) names the cluster, as in Envoy. */
export const clusterOverrideKey = "envoy.tcp_proxy.cluster";

/** One more timer of the same filter. */
class OtherTimer extends Timer {
  readonly #expired: () => void;

  constructor(expired: () => void) {
    super();
    this.#expired = expired;
  }

  onTimer(): void {
    this.#expired();
  }
}

/** Bytes between a downstream and an upstream connection. Its own timer is the idle timeout. */
export class TcpProxy extends Timer implements NetworkFilter {
  readonly #settings: TcpProxySettings;
  readonly #network: NetworkStream;
  readonly #downstream: Connection;
  readonly #clientMeter: ByteMeter = new ByteMeter();
  readonly #upstreamMeter: ByteMeter = new ByteMeter();
  #upstream: UpstreamEnd | undefined;
  /** An upstream connection being made, or the wait before the next attempt. */
  #cluster: Cluster | undefined;
  #metadataMatch: MetadataMatch | undefined;
  #pending: { cancel(): void } | undefined;
  #host: Host | undefined;
  #attempts = 0;
  #held = false;
  #upstreamPaused = false;
  #flushing = false;
  #downstreamEnded = false;
  #upstreamEnded = false;
  #closed = false;
  readonly #early: Uint8Array[] = [];
  #earlySize = 0;
  #earlyEnd = false;
  /** Reading was stopped because there is no upstream yet. */
  #waiting = false;
  #connecting = false;
  #duration: { cancel(): void } | undefined;
  #logTimer: OtherTimer | undefined;

  constructor(settings: TcpProxySettings, network: NetworkStream) {
    super();
    this.#settings = settings;
    this.#network = network;
    this.#downstream = network.connection;
    network.info.downstreamMeter = this.#clientMeter;
    network.info.upstreamMeter = this.#upstreamMeter;
  }

  onConnect(): NetworkVerdict {
    const { stats, idleTimeout, maxDurationMs, logFlush, services } = this.#settings;
    const { proxyTlvs, earlyBytesMax, waitsForData } = this.#settings;
    stats.total.inc();
    idleTimeout?.arm(this);
    if (maxDurationMs !== undefined)
      this.#duration = services.clock.after(maxDurationMs(), () =>
        dispatch(() => this.#onMaxDuration()),
      );
    if (logFlush !== undefined) {
      this.#logTimer = new OtherTimer(() => this.#onLogFlush(logFlush));
      logFlush.arm(this.#logTimer);
    }
    if (proxyTlvs !== undefined) this.#addTlvs(proxyTlvs);
    if (earlyBytesMax === undefined) this.#stopReading();
    if (!waitsForData) this.#connect();
    return "continue";
  }

  #stopReading(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#downstream.pause();
  }

  #addTlvs(make: (info: StreamInfo) => readonly ProxyTlv[]): void {
    const { info } = this.#network;
    // As in Envoy: what a downstream PROXY header said is left as it is.
    if (info.filterState?.has(proxyOptionsKey) === true) return;
    const { remote, local } = info.downstream;
    info.filterState ??= new Map();
    info.filterState.set(
      proxyOptionsKey,
      new ProxyOptions({ source: remote, destination: local, tlvs: make(info) }),
    );
  }

  #connect(): void {
    const { info } = this.#network;
    this.#connecting = true;
    const override = info.filterState?.get(clusterOverrideKey);
    const chosen = typeof override === "string" ? undefined : this.#settings.chooseCluster();
    const name = chosen?.name ?? String(override);
    this.#metadataMatch = (chosen ?? this.#settings).metadataMatch;
    const cluster = this.#settings.services.clusters.get(name);
    if (cluster === undefined) {
      this.#settings.stats.noRoute.inc();
      this.#fail(ResponseFlag.noClusterFound);
      return;
    }
    info.clusterName = name;
    info.clusterMetadata = cluster.metadata;
    this.#cluster = cluster;
    this.#connectTo(cluster);
  }

  #connectTo(cluster: Cluster): void {
    const { info } = this.#network;
    const { hashPolicy } = this.#settings;
    const metadataMatch = this.#metadataMatch;
    const originalDestination = info.downstream.local;
    const host = cluster.pickHost({ originalDestination, info, hashPolicy, metadataMatch });
    if (host === undefined) {
      cluster.stats.counter("upstream_cx_none_healthy").inc();
      this.#fail(ResponseFlag.noHealthyUpstream);
      return;
    }
    this.#attempts++;
    info.attemptCount = this.#attempts;
    info.upstreamHost = host;
    this.#host = host;
    info.upstreamConnectStartMs = this.#settings.services.clock.monotonicMs();
    const target = {
      cluster,
      host,
      info,
      handler: new UpstreamSide(this),
      onReady: (upstream: UpstreamEnd, connection: Connection) =>
        this.#onUpstream(upstream, connection),
      onFailure: (failure: TunnelFailure) => this.#onFailure(cluster, failure),
    };
    const { tunnel } = this.#settings;
    if (tunnel === undefined) this.#connectDirectly(target);
    else this.#connectThrough(new Tunnel(tunnel, target));
  }

  #connectDirectly({ cluster, onReady, ...rest }: TunnelTarget): void {
    const attempt = this.#attempts;
    const pending = cluster.connect({
      ...rest,
      onReady: (connection) => onReady(connection, connection),
    });
    this.#waitFor(pending, attempt);
  }

  #connectThrough(tunnel: Tunnel): void {
    const attempt = this.#attempts;
    tunnel.open();
    this.#waitFor(tunnel, attempt);
  }

  /** Unless it is there, or failed and another attempt was begun, before the call that began it returned. */
  #waitFor(pending: { cancel(): void }, attempt: number): void {
    if (this.#upstream === undefined && !this.#closed && attempt === this.#attempts)
      this.#pending = pending;
  }

  #onUpstream(upstream: UpstreamEnd, connection: Connection): void {
    const { info } = this.#network;
    this.#pending = undefined;
    this.#upstream = upstream;
    this.#host?.outlier?.onConnectedFinally();
    info.upstreamConnectEndMs = this.#settings.services.clock.monotonicMs();
    info.upstreamLocal = connection.local;
    info.upstreamConnectionId = connection.id;
    this.#sendEarly(upstream);
    if (this.#settings.logsConnected) this.#log("TcpUpstreamConnected");
    if (this.#waiting) this.#downstream.resume();
    this.#waiting = false;
  }

  #onFailure(cluster: Cluster, failure: TunnelFailure): void {
    this.#pending = undefined;
    const { info } = this.#network;
    if (failure.kind === "overflow") {
      info.attemptCount = this.#attempts - 1;
      this.#fail(ResponseFlag.upstreamOverflow);
      return;
    }
    if (failure.kind === "connect-timeout") this.#host?.outlier?.onTimeout(504);
    else this.#host?.outlier?.onFailure();
    if (failure.kind === "refused") info.upstreamTransportFailureReason = failure.reason;
    if (failure.kind === "connect-failure")
      info.upstreamTransportFailureReason = connectErrorText(failure.detail);
    info.addFlags(ResponseFlag.upstreamConnectionFailure);
    if (this.#attempts < this.#settings.connectAttemptsMax) {
      this.#connectAgain(cluster);
      return;
    }
    cluster.stats.counter("upstream_cx_connect_attempts_exceeded").inc();
    this.#fail(ResponseFlag.upstreamRetryLimitExceeded);
  }

  #connectAgain(cluster: Cluster): void {
    const { backoffMs, services } = this.#settings;
    if (backoffMs === undefined) {
      this.#connectTo(cluster);
      return;
    }
    this.#pending = services.clock.after(backoffMs(this.#attempts), () =>
      dispatch(() => this.#connectTo(cluster)),
    );
  }

  #fail(flags: number): void {
    this.#network.info.addFlags(flags);
    this.#downstream.closeAfterFlush();
  }

  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#settings.stats.paused.inc();
    this.#downstream.pause();
  }

  #release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#settings.stats.resumed.inc();
    this.#downstream.resume();
  }

  // === Downstream to upstream ===

  onData(chunk: Uint8Array, end: boolean): NetworkVerdict {
    const upstream = this.#upstream;
    this.#settings.idleTimeout?.arm(this);
    this.#network.info.bytesReceived += chunk.length;
    this.#clientMeter.wireReceived += chunk.length;
    this.#upstreamMeter.wireSent += chunk.length;
    this.#settings.stats.bytesReceived.add(chunk.length);
    if (upstream === undefined) {
      // Peeked bytes, and a FIN, come although reading is paused: they wait for the upstream.
      this.#keep(chunk, end);
      return "park";
    }
    if (chunk.length > 0) upstream.write(chunk);
    if (end) this.#endDownstream(upstream);
    return "park";
  }

  #keep(chunk: Uint8Array, end: boolean): void {
    const { stats, earlyBytesMax, waitsForData } = this.#settings;
    if (chunk.length > 0) {
      if (this.#earlySize === 0 && earlyBytesMax !== undefined) stats.earlyData.inc();
      this.#early.push(new Uint8Array(chunk));
      this.#earlySize += chunk.length;
    }
    this.#earlyEnd ||= end;
    if (this.#earlySize > (earlyBytesMax ?? 0)) this.#stopReading();
    if (waitsForData && !this.#connecting) this.#connect();
  }

  #sendEarly(upstream: UpstreamEnd): void {
    for (const chunk of this.#early.splice(0)) upstream.write(chunk);
    if (this.#earlyEnd) this.#endDownstream(upstream);
  }

  #endDownstream(upstream: UpstreamEnd): void {
    this.#downstreamEnded = true;
    upstream.shutdown();
    this.#closeIfBothEnded();
  }

  /** The client takes no more. */
  onUnwritable(): void {
    if (this.#upstream === undefined || this.#upstreamPaused) return;
    this.#upstreamPaused = true;
    this.#cluster?.stats.counter("upstream_flow_control_paused_reading_total").inc();
    this.#upstream.pause();
  }

  onWritable(): void {
    if (this.#upstream === undefined || !this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    this.#cluster?.stats.counter("upstream_flow_control_resumed_reading_total").inc();
    this.#upstream.resume();
  }

  // === Upstream to downstream ===

  onUpstreamData(chunk: Uint8Array): void {
    this.#settings.idleTimeout?.arm(this);
    this.#network.info.bytesSent += chunk.length;
    this.#clientMeter.wireSent += chunk.length;
    this.#upstreamMeter.wireReceived += chunk.length;
    this.#settings.stats.bytesSent.add(chunk.length);
    this.#downstream.write(chunk);
  }

  onUpstreamEnd(): void {
    this.#upstreamEnded = true;
    this.#downstream.shutdown();
    this.#closeIfBothEnded();
  }

  /** The upstream takes no more. */
  onUpstreamUnwritable(): void {
    this.#hold();
  }

  onUpstreamWritable(): void {
    this.#release();
  }

  onUpstreamClose(reason: CloseReason): void {
    this.#upstream = undefined;
    if (this.#flushing) this.#settings.stats.flushActive.dec();
    if (this.#closed) return;
    if (reason.kind === "remote-reset") {
      this.#network.info.addFlags(ResponseFlag.upstreamRemoteReset);
      this.#downstream.destroy(true);
      return;
    }
    // What the upstream said last is still to be delivered.
    this.#downstream.closeAfterFlush();
  }

  // === Ends ===

  #closeIfBothEnded(): void {
    if (!this.#downstreamEnded || !this.#upstreamEnded) return;
    this.#upstream?.closeAfterFlush();
    this.#downstream.closeAfterFlush();
  }

  /** The idle timeout. */
  onTimer(): void {
    this.#settings.stats.idleTimeout.inc();
    this.#downstream.closeAfterFlush();
  }

  #onMaxDuration(): void {
    this.#settings.stats.maxDuration.inc();
    this.#network.info.addFlags(ResponseFlag.durationTimeout);
    this.#downstream.closeAfterFlush();
  }

  onClose(reason: CloseReason): void {
    this.#closed = true;
    this.cancel();
    this.#duration?.cancel();
    this.#logTimer?.cancel();
    this.#pending?.cancel();
    this.#closeUpstream(reason);
    this.#network.info.endMs = this.#settings.services.clock.monotonicMs();
    this.#log("");
  }

  /** A reset is passed on; else what the client said last still goes to the upstream. */
  #closeUpstream(reason: CloseReason): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    if (reason.kind === "remote-reset") {
      upstream.destroy(true);
      return;
    }
    if (upstream.unsent > 0) {
      const { stats } = this.#settings;
      this.#flushing = true;
      stats.flushTotal.inc();
      stats.flushActive.inc();
    }
    upstream.closeAfterFlush();
  }

  // === Access log ===

  #onLogFlush(list: TimerList): void {
    this.#log("TcpPeriodic");
    if (this.#logTimer !== undefined) list.arm(this.#logTimer);
  }

  #log(type: string): void {
    const { info } = this.#network;
    info.accessLogType = type;
    for (const log of this.#settings.accessLogs) log.log(info);
    info.accessLogType = "";
  }
}

/** The upstream connection's side; its method names are those of the filter's own side. */
class UpstreamSide implements ConnectionHandler {
  readonly #proxy: TcpProxy;

  constructor(proxy: TcpProxy) {
    this.#proxy = proxy;
  }

  onData(chunk: Uint8Array): void {
    this.#proxy.onUpstreamData(chunk);
  }

  onEnd(): void {
    this.#proxy.onUpstreamEnd();
  }

  onUnwritable(): void {
    this.#proxy.onUpstreamUnwritable();
  }

  onWritable(): void {
    this.#proxy.onUpstreamWritable();
  }

  onClose(reason: CloseReason): void {
    this.#proxy.onUpstreamClose(reason);
  }
}
