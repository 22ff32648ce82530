import { randomBytes } from "node:crypto";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { type Clock, systemClock } from "#lib/clock.ts";
import { collectGarbage } from "#lib/collect-garbage.ts";
import { ConfigError, within } from "#lib/config-error.ts";
import { type AccessLogSinks, createAccessLogSinks } from "./access-log/sinks.ts";
import { SharedCells } from "./cluster/circuit-breakers.ts";
import type { ClusterMembers } from "./cluster/host.ts";
import { mergeHostStatus } from "./cluster/host-status.ts";
import { checkSources } from "./dynamic/check-sources.ts";
import { isDynamic } from "./dynamic/config-source.ts";
import { DynamicConfig, type DynamicDump } from "./dynamic/dynamic-config.ts";
import type { Sources } from "./dynamic/sources.ts";
import type { DrainOptions } from "./listener/listener-manager.ts";
import { MainClusters } from "./main-clusters.ts";
import type { ClusterRates } from "./outlier/report.ts";
import { ConnectionCounts } from "./overload/connection-counts.ts";
import { OverloadManager } from "./overload/overload-manager.ts";
import { LayeredRuntime } from "./runtime-layers.ts";
import type { NodeInfo } from "./services.ts";
import { SharedSlots } from "./shared-slots.ts";
import { StartError } from "./start-error.ts";
import { MainStats } from "./stats/main-stats.ts";
import { compileStatsConfig } from "./stats/stats-config.ts";
import { SecretFiles } from "./tls/secret-files.ts";
import type { ContextStatus } from "./tls/status.ts";
import { WorkerGroup } from "./worker-group.ts";
import type {
  FromWorker,
  HostStatus,
  ListenerStatus,
  ToWorker,
  WorkerSpec,
} from "./worker-protocol.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "critical" | "off";

export interface ServerOptions {
  readonly bootstrap: BootstrapJson;
  readonly node: NodeInfo;
  readonly version: string;
  readonly concurrency: number;
  readonly accessLogFlushMs: number;
  readonly accessLogFlushBytes: number;
  /** The module that a worker thread runs. */
  readonly workerEntry: URL;
  readonly log: (
    level: "debug" | "info" | "warn" | "error",
    message: string,
    fields?: Record<string, unknown>,
  ) => void;
  readonly clock?: Clock;
  readonly xds?: XdsOptions;
  /** For connections of listeners that a control plane replaces or takes away. */
  readonly drain: DrainOptions;
}

/** How the proxy takes what control planes send. */
export interface XdsOptions {
  /** Fields that are newer than Heddle. */
  readonly unknownFields: "count" | "ignore" | "reject";
  /** A folder for the last good resources; undefined: they are not kept. */
  readonly savePath: string | undefined;
}

/**
 * Starting: clusters wait for their first members. Live: listeners accept. Draining: no new work. Stopped: nothing runs.
 */
export type ServerState = "PRE_INITIALIZING" | "INITIALIZING" | "LIVE" | "DRAINING" | "STOPPED";

/** The main thread's side of a proxy: workers, discovery, merged stats. No traffic passes through it. */
export class ProxyServer {
  readonly options: ServerOptions;
  readonly stats: MainStats = new MainStats();
  readonly startedMs: number;
  state: ServerState = "PRE_INITIALIZING";
  readonly #clock: Clock;
  readonly #workers: WorkerGroup;
  readonly #secrets: SecretFiles;
  #clusters: MainClusters | undefined;
  #sources: Sources | undefined;
  #dynamic: DynamicConfig | undefined;
  #overload: OverloadManager | undefined;
  readonly #connectionCounts: SharedArrayBuffer;
  #runtime: LayeredRuntime | undefined;
  #logs: AccessLogSinks | undefined;
  readonly #ticketSecret: Uint8Array = randomBytes(32);
  #crashed: ((error: Error) => void) | undefined;

  constructor(options: ServerOptions) {
    this.options = options;
    this.#clock = options.clock ?? systemClock;
    this.startedMs = this.#clock.wallMs();
    this.#workers = new WorkerGroup({
      ...options,
      onMessage: (index, message) => this.#onMessage(index, message),
      onCrash: (index, error) => this.#onCrash(index, error),
    });
    this.#connectionCounts = ConnectionCounts.allocate(
      options.bootstrap.staticResources?.listeners?.length ?? 0,
    );
    this.#secrets = new SecretFiles(options.bootstrap, {
      clock: this.#clock,
      stats: this.stats.own,
      log: options.log,
      broadcast: (message) => this.broadcast(message),
    });
  }

  /** Throws ConfigError. */
  get runtime(): LayeredRuntime {
    this.#runtime ??= LayeredRuntime.from(this.options.bootstrap.layeredRuntime);
    return this.#runtime;
  }

  get uptimeMs(): number {
    return this.#clock.wallMs() - this.startedMs;
  }

  get listeners(): readonly ListenerStatus[] {
    return this.#workers.listeners;
  }

  /** Compile in every worker, discover, listen. Rejects with StartError when the configuration is refused or a port is taken. */
  async start(): Promise<void> {
    await this.compile();
    this.state = "INITIALIZING";
    const dynamic = isDynamic(this.options.bootstrap) ? await this.#connectSources() : undefined;
    const clusters = this.#watchHosts(dynamic);
    // A check that comes before its secrets would only find out that they are missing.
    const secrets = this.#secrets.start().then(() => clusters.startChecks());
    const discovered = this.#discover(clusters);
    // The endpoints of static clusters are known by now, and a control plane is reached through one of them.
    this.#sources?.start();
    await Promise.all([secrets, discovered]);
    await dynamic?.start(clusters);
    await this.#workers.listen();
    this.#watchOverload();
    this.state = "LIVE";
  }

  /** The workers have compiled its configuration before: it is valid. */
  #watchOverload(): void {
    const { overloadManager } = this.options.bootstrap;
    if (overloadManager === undefined) return;
    this.#overload = new OverloadManager(overloadManager, {
      clock: this.#clock,
      stats: this.stats.own,
      observed: {
        residentBytes: () => process.memoryUsage.rss(),
        connections: new ConnectionCounts(this.#connectionCounts).limited,
      },
      onLevels: (levels) => this.broadcast({ kind: "overload", levels }),
      shrinkHeap: () => {
        this.broadcast({ kind: "shrink-heap" });
        return collectGarbage();
      },
    });
    this.#overload.start();
  }

  /** The workers exist and have taken the configuration: all that `--mode validate` does. */
  async compile(): Promise<void> {
    const { concurrency, bootstrap } = this.options;
    // The main thread's own part: names of stats for the admin pages.
    within("stats_config", () => compileStatsConfig(bootstrap.statsConfig));
    const shared = concurrency > 1 ? allocateShared(bootstrap) : undefined;
    await this.#workers.compile((index) => this.#spec(index, shared));
  }

  #spec(index: number, shared: SharedMemory | undefined): WorkerSpec {
    const { bootstrap, node, concurrency, accessLogFlushMs, accessLogFlushBytes } = this.options;
    return {
      index,
      concurrency,
      bootstrap,
      node,
      logLevel: "info",
      accessLogFlushMs,
      accessLogFlushBytes,
      sharedCells: shared?.cells,
      sharedSlots: shared?.slots,
      ticketSecret: this.#ticketSecret,
      connectionCounts: this.#connectionCounts,
    };
  }

  async #connectSources(): Promise<DynamicConfig> {
    const { bootstrap, version, log, node, xds } = this.options;
    // Loaded only here: the messages of protobuf need memory that a proxy with a bootstrap alone has no use for.
    const { connectSources } = await import("./dynamic/connect-sources.ts");
    const common = { clock: this.#clock, log, stats: this.stats.own };
    const sources = refusable(() => {
      const connected = connectSources(bootstrap, {
        ...common,
        version,
        node,
        unknownFields: xds?.unknownFields ?? "count",
        savePath: xds?.savePath,
        logSinks: this.#openLogs(),
        members: (cluster) => this.#clusters?.members(cluster),
      });
      within("static_resources", () => checkSources(bootstrap.staticResources, connected));
      return connected;
    });
    this.#sources = sources;
    this.#dynamic = new DynamicConfig(bootstrap, {
      ...common,
      sources,
      workers: this.#workers,
      secretFiles: this.#secrets,
      broadcast: (message) => this.broadcast(message),
    });
    return this.#dynamic;
  }

  #openLogs(): AccessLogSinks {
    this.#logs ??= createAccessLogSinks({
      flushIntervalMs: this.options.accessLogFlushMs,
      flushBytesMin: this.options.accessLogFlushBytes,
      clock: this.#clock,
      stats: this.stats.own,
      log: this.options.log,
    });
    return this.#logs;
  }

  /** After the workers have taken the configuration. */
  #watchHosts(assignments: DynamicConfig | undefined): MainClusters {
    const { bootstrap, node, log, concurrency } = this.options;
    this.#clusters = refusable(
      () =>
        new MainClusters(bootstrap, {
          clock: this.#clock,
          log,
          broadcast: (message) => this.broadcast(message),
          runtime: this.runtime,
          stats: this.stats,
          logs: this.#openLogs(),
          node,
          threads: concurrency > 1,
          assignments,
        }),
    );
    return this.#clusters;
  }

  async #discover(clusters: MainClusters): Promise<void> {
    const configs = this.options.bootstrap.staticResources?.clusters ?? [];
    await Promise.all(
      configs.map((config) => new Promise<void>((resolve) => clusters.add(config, resolve))),
    );
  }

  #onMessage(index: number, message: FromWorker): void {
    if (message.kind === "stats") this.stats.addWorker(index, message.announcement);
    else if (message.kind === "log")
      this.options.log(levelOf(message.level), message.message, message.fields);
    else this.#clusters?.onWorker(message);
  }

  #onCrash(index: number, error: Error): void {
    this.options.log("error", `worker ${index} failed: ${error.message}`, { stack: error.stack });
    this.#crashed?.(error);
  }

  /** Called when a worker dies; the process must end, because its connections are gone and its port is half served. */
  set onWorkerLost(callback: (error: Error) => void) {
    this.#crashed = callback;
  }

  broadcast(message: ToWorker): void {
    // What the main thread does itself goes by the same runtime and the same files.
    if (message.kind === "runtime") this.runtime.setOverrides(message.overrides);
    // Throws for a bad one, before a worker has heard of it.
    else if (message.kind === "runtime-layer") this.runtime.setLayer(message.name, message.values);
    else if (message.kind === "reopen-logs") this.#logs?.reopen();
    else this.#clusters?.onBroadcast(message);
    this.#workers.broadcast(message);
  }

  /** Every cluster's hosts with the counts of all workers. */
  async clusterStatus(): Promise<ReadonlyMap<string, readonly HostStatus[]>> {
    const statuses = await this.#workers.statuses();
    const merged = new Map<string, Map<string, HostStatus>>();
    for (const status of statuses) {
      for (const [cluster, hosts] of Object.entries(status.clusters)) {
        const known = merged.get(cluster) ?? new Map<string, HostStatus>();
        merged.set(cluster, known);
        for (const host of hosts) {
          const key = `${host.priority}/${host.address}`;
          const before = known.get(key);
          known.set(key, before === undefined ? host : mergeHostStatus(before, host));
        }
      }
    }
    const mainClusters = this.#clusters;
    return new Map(
      [...merged].map(([name, hosts]) => {
        const all = [...hosts.values()];
        return [name, mainClusters?.withRates(name, all) ?? all];
      }),
    );
  }

  /** What the TLS contexts hold; all workers hold the same. */
  async tlsContexts(): Promise<readonly ContextStatus[]> {
    return (await this.#workers.statuses())[0]?.tlsContexts ?? [];
  }

  async connections(): Promise<number> {
    return (await this.#workers.statuses()).reduce((sum, status) => sum + status.connections, 0);
  }

  /** Undefined: the cluster has no outlier detection. */
  successRates(cluster: string): ClusterRates | undefined {
    return this.#clusters?.successRates(cluster);
  }

  members(cluster: string): ClusterMembers | undefined {
    return this.#clusters?.members(cluster);
  }

  /** Undefined: the bootstrap says everything. */
  dynamicConfig(): DynamicDump | undefined {
    return this.#dynamic?.dump();
  }

  /** Stop accepting and tell connections to end; resolves when none is left or the time is over. */
  async end(timeMs: number): Promise<{ readonly connectionsLeft: number }> {
    this.state = "DRAINING";
    const idle = this.#workers.each("idle", this.#workers.size);
    this.broadcast({ kind: "end" });
    let timer: { cancel(): void } | undefined;
    const expired = new Promise<void>((resolve) => {
      timer = this.#clock.after(timeMs, resolve);
    });
    await Promise.race([idle, expired]);
    timer?.cancel();
    return { connectionsLeft: await this.connections() };
  }

  /** Clients are told to go elsewhere, within `timeMs` all of them; listeners close after `closeAfterMs`. */
  drain(options: {
    readonly timeMs: number;
    readonly closeAfterMs: number;
    readonly inboundOnly: boolean;
  }): void {
    const { timeMs, closeAfterMs, inboundOnly } = options;
    this.broadcast({ kind: "drain", timeMs, inboundOnly });
    const close = (): void => this.broadcast({ kind: "close-listeners", inboundOnly });
    if (closeAfterMs === 0) close();
    else if (closeAfterMs !== Number.POSITIVE_INFINITY) this.#clock.after(closeAfterMs, close);
  }

  /** End what a failed start left behind: a thread, a socket or a timer would keep the process alive. */
  abandon(): void {
    this.#quiet();
    this.#workers.abandon();
  }

  async stop(): Promise<void> {
    this.#quiet();
    this.#logs?.flush();
    await this.#workers.stop();
  }

  #quiet(): void {
    this.state = "STOPPED";
    this.#sources?.close();
    this.#clusters?.stop();
    this.#overload?.stop();
    this.#secrets.stop();
  }
}

/** A ConfigError of `make` as the reason not to start. */
function refusable<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new StartError("configuration refused", { problems: error.problems, cause: error });
  }
}

/** What workers count together. */
interface SharedMemory {
  readonly cells: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
}

function allocateShared(bootstrap: BootstrapJson): SharedMemory {
  return {
    cells: SharedCells.allocate(bootstrap.staticResources?.clusters?.length ?? 0),
    slots: SharedSlots.allocate(bootstrap.staticResources?.listeners ?? []),
  };
}

function levelOf(level: string): "debug" | "info" | "warn" | "error" {
  return level === "debug" || level === "warn" || level === "error" ? level : "info";
}
