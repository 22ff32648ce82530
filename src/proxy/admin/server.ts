import type { ResponseHead } from "#http/message.ts";
import { type Clock, systemClock } from "#lib/clock.ts";
import { within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { Address } from "#net/address.ts";
import type { CloseReason, Connection } from "#net/connection.ts";
import { type ListeningSocket, listen } from "#net/listen.ts";
import { compileStringMatchers, type StringPredicate } from "../matching/string-matcher.ts";
import { PrometheusFormat } from "../stats/prometheus.ts";
import { compileStatsConfig } from "../stats/stats-config.ts";
import { logExchange } from "./access-logs.ts";
import { AdminStats } from "./admin-stats.ts";
import { AdminConnection, type AdminConnectionOwner, type AdminExchange } from "./connection.ts";
import { type AdminAnswer, type AdminContext, type AdminRequest, helpText } from "./page.ts";
import { pages } from "./pages.ts";
import type { AdminSource } from "./source.ts";

const connectionsMax = 256;

type OnClose = ReturnType<AdminStats["onConnection"]>;

/** The admin port. Runs in the main thread; no traffic of the mesh passes here. */
export class AdminServer implements AdminConnectionOwner {
  readonly clock: Clock;
  readonly #context: AdminContext;
  readonly #allows: StringPredicate;
  readonly #stats: AdminStats;
  readonly #connections: Map<AdminConnection, OnClose> = new Map();
  /** Open answers, in the order of their requests: one on each connection. */
  readonly #pending: Map<Connection, (status: number) => void> = new Map();
  #socket: ListeningSocket | undefined;
  #intervals: { stop(): void } | undefined;

  /** Throws ConfigError when `admin` or `stats_config` is refused. */
  constructor(source: AdminSource, clock: Clock = systemClock) {
    const { bootstrap } = source;
    const statsConfig = within("stats_config", () => compileStatsConfig(bootstrap.statsConfig));
    this.clock = clock;
    this.#context = {
      source,
      statsConfig,
      prometheus: new PrometheusFormat(statsConfig),
      startedWallMs: clock.wallMs() - source.uptimeMs,
      pages,
    };
    const allowPaths = bootstrap.admin?.allowPaths ?? [];
    const allowed = within("admin.allow_paths", () =>
      compileStringMatchers({ patterns: allowPaths }),
    );
    this.#allows = allowPaths.length === 0 ? () => true : allowed;
    this.#stats = new AdminStats(source.stats.own, clock);
  }

  /** Resolves with the real address. */
  async listen(address: Address, options: { readonly mode?: number } = {}): Promise<Address> {
    this.#socket = await listen(address, options, (connection) => this.#accept(connection));
    const { bootstrap, stats } = this.#context.source;
    const intervalMs = durationMs(bootstrap.statsFlushInterval, 5000);
    this.#intervals = stats.startIntervals(this.clock, intervalMs);
    return this.#socket.address;
  }

  close(): void {
    this.#intervals?.stop();
    this.#socket?.close();
    for (const connection of [...this.#connections.keys()]) connection.close();
  }

  #accept(connection: Connection & { start(): void }): void {
    if (this.#connections.size >= connectionsMax) {
      this.#stats.onOverflow();
      connection.destroy();
      return;
    }
    const admin = new AdminConnection(connection, this);
    this.#connections.set(admin, this.#stats.onConnection());
    connection.start();
  }

  onProtocolError(): void {
    this.#stats.onProtocolError();
  }

  onRequest(connection: Connection): void {
    this.#pending.set(connection, this.#stats.onRequest());
  }

  onAnswer(exchange: AdminExchange, response: ResponseHead, bodyBytes: number): void {
    this.#pending.get(exchange.connection)?.(response.status);
    this.#pending.delete(exchange.connection);
    const logs = this.#context.source.accessLogs ?? [];
    logExchange(logs, exchange, { response, bodyBytes, clock: this.clock });
  }

  onGone(admin: AdminConnection, reason: CloseReason): void {
    const { connection } = admin;
    this.#connections.get(admin)?.(reason, connection.bytesReceived, connection.bytesSent);
    this.#connections.delete(admin);
    // The client went before its answer: the request is over all the same.
    this.#pending.get(connection)?.(0);
    this.#pending.delete(connection);
  }

  async answer(request: AdminRequest): Promise<AdminAnswer> {
    const { method, path } = request;
    if (!this.#allows(path)) {
      return { status: 403, body: `request to path ${path} not allowed` };
    }
    const page = pages.find((candidate) => candidate.path === path);
    if (page === undefined) return { status: 404, body: `invalid path. ${helpText(pages)}` };
    if (page.post === true && method !== "POST") {
      return { status: 405, body: `Method ${method} not allowed, POST required.` };
    }
    try {
      return await page.answer(request, this.#context);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { status: 500, body: `${path} failed: ${reason}\n` };
    }
  }
}
