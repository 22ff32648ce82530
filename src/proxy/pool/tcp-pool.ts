import { Timer } from "#lib/timers.ts";
import type { PendingConnect } from "#net/connect.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import type { Host } from "../cluster/host.ts";
import type { Cluster } from "../cluster/manager.ts";
import { connectSecurely } from "./connect-securely.ts";
import { hostHasRoom, type PoolLimits, type PoolSettings } from "./http-pool.ts";

type TcpOptions = Parameters<Cluster["connect"]>[0];

/** TCP connections are not shared: each downstream gets its own, counted against the cluster's limits. */
export class TcpPool {
  readonly #settings: PoolSettings;

  constructor(settings: PoolSettings) {
    this.#settings = settings;
  }

  connect(options: TcpOptions, limits: PoolLimits): { cancel(): void } {
    const { stats } = this.#settings;
    if (!hostHasRoom(options.host, this.#settings) || !limits.tryTake("connections")) {
      stats.connectionOverflow.inc();
      stats.pendingOverflow.inc();
      options.onFailure({ kind: "overflow" });
      return { cancel: () => {} };
    }
    return new TcpAttempt(this.#settings, options, limits);
  }
}

class TcpAttempt extends Timer {
  readonly #settings: PoolSettings;
  readonly #options: TcpOptions;
  readonly #limits: PoolLimits;
  readonly #pending: PendingConnect;
  readonly #startMs: number;
  #ended = false;

  constructor(settings: PoolSettings, options: TcpOptions, limits: PoolLimits) {
    super();
    this.#settings = settings;
    this.#options = options;
    this.#limits = limits;
    const { stats } = settings;
    stats.connectionTotal.inc();
    stats.pendingTotal.inc();
    stats.pendingActive.inc();
    options.host.connectionsTotal++;
    options.host.connectionsOpening++;
    this.#startMs = settings.now();
    settings.connectTimeout?.arm(this);
    const callbacks = {
      onConnect: (connection: Connection) => this.#onConnect(connection),
      onError: (detail: string) => {
        this.#failed();
        options.onFailure({ kind: "connect-failure", detail, host: options.host });
      },
    };
    const preamble = settings.transport?.preambleFor?.(options.host, options.info);
    this.#pending = connectSecurely(options.host, settings, callbacks, {
      preamble: preamble?.bytes,
    });
  }

  #onConnect(connection: Connection): void {
    this.#end();
    this.#settings.stats.requestTotal.inc();
    this.#settings.stats.connectMs.record(this.#settings.now() - this.#startMs);
    connection.bufferLimit = this.#settings.bufferLimit;
    connection.handler = new CountedHandler(this.#options.handler, {
      connection,
      host: this.#options.host,
      settings: this.#settings,
      limits: this.#limits,
    });
    this.#options.onReady(connection);
  }

  onTimer(): void {
    this.#pending.cancel();
    this.#settings.stats.connectTimeout.inc();
    this.#failed();
    this.#options.onFailure({ kind: "connect-timeout", host: this.#options.host });
  }

  #failed(): void {
    this.#end();
    this.#settings.stats.connectFail.inc();
    this.#options.host.connectFailures++;
    this.#limits.release("connections");
  }

  /** The downstream went before the upstream was there. */
  override cancel(): void {
    if (this.#ended) return;
    this.#end();
    this.#pending.cancel();
    this.#limits.release("connections");
  }

  #end(): void {
    this.#ended = true;
    this.#options.host.connectionsOpening--;
    super.cancel();
    this.#settings.stats.pendingActive.dec();
  }
}

interface Counted {
  readonly connection: Connection;
  readonly host: Host;
  readonly settings: PoolSettings;
  readonly limits: PoolLimits;
}

/** The user's handler with the cluster's accounting around its end. */
class CountedHandler implements ConnectionHandler {
  readonly #inner: ConnectionHandler;
  readonly #counted: Counted;
  readonly #bornMs: number;
  #ending = false;

  constructor(inner: ConnectionHandler, counted: Counted) {
    this.#inner = inner;
    this.#counted = counted;
    this.#bornMs = counted.settings.now();
    counted.settings.stats.connectionActive.inc();
    counted.settings.stats.requestActive.inc();
    counted.host.connectionsActive++;
  }

  onData(chunk: Uint8Array): void {
    this.#inner.onData(chunk);
  }

  onEnd(): void {
    // Whoever closes now does so because the peer has.
    this.#ending = true;
    this.#inner.onEnd();
    this.#ending = false;
  }

  onUnwritable(): void {
    this.#counted.settings.stats.flowControlBackedUp.inc();
    this.#inner.onUnwritable();
  }

  onWritable(): void {
    this.#inner.onWritable();
  }

  onClose(reason: CloseReason): void {
    const { connection, host, settings, limits } = this.#counted;
    const { stats } = settings;
    stats.connectionActive.dec();
    stats.connectionDestroy.inc();
    stats.connectionDestroyActive.inc();
    stats.requestActive.dec();
    if (reason.kind === "local" && !this.#ending) {
      stats.connectionDestroyLocal.inc();
      stats.connectionDestroyLocalActive.inc();
    } else {
      stats.connectionDestroyRemote.inc();
      stats.connectionDestroyRemoteActive.inc();
    }
    stats.connectionLengthMs.record(settings.now() - this.#bornMs);
    stats.bytesReceived.add(connection.bytesReceived);
    stats.bytesSent.add(connection.bytesSent);
    host.connectionsActive--;
    limits.release("connections");
    this.#inner.onClose(reason);
  }
}
