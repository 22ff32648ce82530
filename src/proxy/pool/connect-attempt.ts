import type { HttpVersion } from "#http/message.ts";
import { Timer } from "#lib/timers.ts";
import type { PendingConnect } from "#net/connect.ts";
import type { ClusterStats } from "../cluster/cluster-stats.ts";
import type { HttpOffer } from "../tls/upstream.ts";
import { connectSecurely } from "./connect-securely.ts";
import type { HttpPool } from "./http-pool.ts";

export function countProtocol(stats: ClusterStats, protocol: HttpVersion): void {
  if (protocol === 20) stats.connectionHttp2Total.inc();
  else stats.connectionHttp1Total.inc();
}

function offerOf(protocol: HttpVersion | undefined): HttpOffer {
  if (protocol === undefined) return "h2,http/1.1";
  return protocol === 20 ? "h2" : "http/1.1";
}

/** One connection being made. */
export class ConnectAttempt extends Timer {
  readonly counted: boolean;
  readonly #pool: HttpPool;
  readonly #pending: PendingConnect;
  readonly #startMs: number;

  constructor(pool: HttpPool, counted: boolean) {
    super();
    this.#pool = pool;
    this.counted = counted;
    const { settings, host } = pool;
    settings.stats.connectionTotal.inc();
    if (settings.protocol !== undefined) countProtocol(settings.stats, settings.protocol);
    host.connectionsTotal++;
    host.connectionsOpening++;
    this.#startMs = settings.now();
    settings.connectTimeout?.arm(this);
    this.#pending = connectSecurely(
      host,
      settings,
      {
        onConnect: (connection) => {
          this.#end();
          settings.stats.connectMs.record(settings.now() - this.#startMs);
          pool.onConnected(this, connection);
        },
        onError: (detail) => {
          this.#end();
          settings.stats.connectFail.inc();
          pool.onConnectFailed(this, { kind: "connect-failure", detail });
        },
      },
      { offer: offerOf(settings.protocol), preamble: settings.preamble },
    );
  }

  #end(): void {
    this.cancel();
    this.#pool.host.connectionsOpening--;
  }

  onTimer(): void {
    this.#end();
    this.#pending.cancel();
    const { stats } = this.#pool.settings;
    stats.connectFail.inc();
    stats.connectTimeout.inc();
    this.#pool.onConnectFailed(this, { kind: "connect-timeout" });
  }

  abandon(): void {
    this.#end();
    this.#pending.cancel();
    if (this.counted) this.#pool.limits.release("connections");
  }
}
