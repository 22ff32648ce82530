import { randomBytes } from "node:crypto";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { type Clock, systemClock } from "#lib/clock.ts";
import { collectGarbage } from "#lib/collect-garbage.ts";
import { ConfigError, type Problem } from "#lib/config-error.ts";
import { systemRandom } from "#lib/random.ts";
import { type AccessLogSinks, createAccessLogSinks } from "./access-log/sinks.ts";
import { SharedCells } from "./cluster/circuit-breakers.ts";
import { createDiscovery, type Discovery } from "./cluster/discovery/discovery.ts";
import type { ClusterMembers } from "./cluster/host.ts";
import { mergeHostStatus } from "./cluster/host-status.ts";
import { HealthCheckers } from "./health-check/checkers.ts";
import { OutlierDetectors } from "./outlier/detectors.ts";
import type { ClusterRates } from "./outlier/report.ts";
import { ConnectionCounts } from "./overload/connection-counts.ts";
import { OverloadManager } from "./overload/overload-manager.ts";
import { LayeredRuntime } from "./runtime-layers.ts";
import type { NodeInfo } from "./services.ts";
import { SharedSlots } from "./shared-slots.ts";
import { MainStats } from "./stats/main-stats.ts";
import { SecretFiles } from "./tls/secret-files.ts";
import type { ContextStatus } from "./tls/status.ts";
import {
  startLocalWorker,
  startThreadWorker,
  type WorkerEvents,
  type WorkerHandle,
} from "./worker-handle.ts";
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
}

/**
 * Starting: clusters wait for their first members. Live: listeners accept. Draining: no new work. Stopped: nothing runs.
 */
export type ServerState = "PRE_INITIALIZING" | "INITIALIZING" | "LIVE" | "DRAINING" | "STOPPED";

/** Why a proxy did not start. */
export class StartError extends Error {
  readonly problems: readonly Problem[];

  constructor(
    message: string,
    options: { readonly problems?: readonly Problem[]; readonly cause?: unknown } = {},
  ) {
    super(message, options);
    this.name = "StartError";
    this.problems = options.problems ?? [];
  }
}

/** The main thread's side of a proxy: workers, discovery, merged stats. No traffic passes through it. */
export class ProxyServer implements WorkerEvents {
  readonly options: ServerOptions;
  readonly stats: MainStats = new MainStats();
  readonly startedMs: number;
  state: ServerState = "PRE_INITIALIZING";
  listeners: readonly ListenerStatus[] = [];
  readonly #clock: Clock;
  readonly #workers: WorkerHandle[] = [];
  readonly #discoveries: Discovery[] = [];
  readonly #members: Map<string, ClusterMembers> = new Map();
  readonly #secrets: SecretFiles;
  #outliers: OutlierDetectors | undefined;
  #checkers: HealthCheckers | undefined;
  #overload: OverloadManager | undefined;
  readonly #connectionCounts: SharedArrayBuffer;
  #runtime: LayeredRuntime | undefined;
  #logs: AccessLogSinks | undefined;
  readonly #waiting: ((index: number, message: FromWorker) => void)[] = [];
  readonly #ticketSecret: Uint8Array = randomBytes(32);
  #lastQuery = 0;
  #crashed: ((error: Error) => void) | undefined;

  constructor(options: ServerOptions) {
    this.options = options;
    this.#clock = options.clock ?? systemClock;
    this.startedMs = this.#clock.wallMs();
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

  get uptimeMs(): number {
    return this.#clock.wallMs() - this.startedMs;
  }

  /** Compile in every worker, discover, listen. Rejects with StartError when the configuration is refused or a port is taken. */
  async start(): Promise<void> {
    await this.compile();
    this.state = "INITIALIZING";
    this.#watchHosts();
    // A check that comes before its secrets would only find out that they are missing.
    const secrets = this.#secrets.start().then(() => this.#checkers?.start());
    await Promise.all([secrets, this.#discover()]);
    await this.#listen();
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
    const { concurrency, workerEntry } = this.options;
    const shared = concurrency > 1 ? allocateShared(this.options.bootstrap) : undefined;
    const compiled = this.#eachWorker("compiled", concurrency);
    // A refused configuration is found by the first worker; the others are not even started.
    for (let index = 0; index < concurrency; index++) {
      const spec = this.#spec(index, shared);
      this.#workers.push(
        concurrency === 1
          ? startLocalWorker(spec, this)
          : startThreadWorker(spec, workerEntry, this),
      );
    }
    await compiled;
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

  /** After the workers have taken the configuration. */
  #watchHosts(): void {
    const runtime = LayeredRuntime.from(this.options.bootstrap.layeredRuntime);
    const logs = createAccessLogSinks({
      flushIntervalMs: this.options.accessLogFlushMs,
      flushBytesMin: this.options.accessLogFlushBytes,
      clock: this.#clock,
      stats: this.stats.own,
      log: this.options.log,
    });
    this.#runtime = runtime;
    this.#logs = logs;
    try {
      this.#detectOutliers(runtime, logs);
      this.#checkHealth(runtime, logs);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new StartError("configuration refused", { problems: error.problems, cause: error });
    }
  }

  #detectOutliers(runtime: LayeredRuntime, logs: AccessLogSinks): void {
    const { bootstrap, concurrency } = this.options;
    this.#outliers = new OutlierDetectors(bootstrap, {
      clock: this.#clock,
      random: systemRandom,
      runtime,
      stats: this.stats.own,
      logs,
      threads: concurrency > 1,
      onVerdict: (verdict) => this.broadcast({ kind: "host-verdict", verdict }),
    });
  }

  #checkHealth(runtime: LayeredRuntime, logs: AccessLogSinks): void {
    const { bootstrap, log } = this.options;
    this.#checkers = new HealthCheckers(bootstrap, {
      clock: this.#clock,
      random: systemRandom,
      runtime,
      stats: this.stats,
      logs,
      log,
      publish: (members) => this.#publish(members),
      onChange: (checked) => this.broadcast({ kind: "checked", checked }),
      onHealthy: (cluster, host) => this.#outliers?.onHealthCheckPassed(cluster, host),
    });
  }

  #publish(members: ClusterMembers): void {
    this.#members.set(members.cluster, members);
    const counted = this.#outliers?.withSlots(members) ?? members;
    this.broadcast({ kind: "members", members: counted });
  }

  async #discover(): Promise<void> {
    const clusters = this.options.bootstrap.staticResources?.clusters ?? [];
    const ready = clusters.map(
      (cluster) =>
        new Promise<void>((resolve) => {
          const discovery = createDiscovery(cluster, {
            clock: this.#clock,
            stats: this.stats.own,
            log: this.options.log,
            node: this.options.node,
          });
          this.#discoveries.push(discovery);
          discovery.start((members) => {
            const checker = this.#checkers?.of(members.cluster);
            if (checker !== undefined) checker.update(members, resolve);
            else {
              this.#publish(members);
              resolve();
            }
          }, resolve);
        }),
    );
    await Promise.all(ready);
  }

  /** The first worker's ports decide for the others what port 0 means. */
  async #listen(): Promise<void> {
    const [first, ...others] = this.#workers;
    if (first === undefined) return;
    const listening = this.#eachWorker("listening", 1);
    first.post({ kind: "listen", ports: {}, shared: {} });
    await listening;
    if (others.length === 0) return;
    const ports: Record<string, number> = {};
    const shared: Record<string, number> = {};
    for (const listener of this.listeners) {
      for (const [index, { port, descriptor }] of listener.addresses.entries()) {
        ports[`${listener.name}#${index}`] = port;
        if (descriptor !== undefined) shared[`${listener.name}#${index}`] = descriptor;
      }
    }
    const rest = this.#eachWorker("listening", others.length);
    for (const worker of others) worker.post({ kind: "listen", ports, shared });
    await rest;
  }

  #eachWorker(kind: FromWorker["kind"], count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = count;
      const listener = (_index: number, message: FromWorker): void => {
        if (message.kind === "refused") {
          this.#forget(listener);
          reject(new StartError("configuration refused", { problems: message.problems }));
        } else if (message.kind === "failed") {
          this.#forget(listener);
          reject(new StartError(message.message));
        } else if (message.kind === kind && --left === 0) {
          this.#forget(listener);
          resolve();
        }
      };
      this.#waiting.push(listener);
    });
  }

  #forget(listener: (index: number, message: FromWorker) => void): void {
    const at = this.#waiting.indexOf(listener);
    if (at !== -1) this.#waiting.splice(at, 1);
  }

  onMessage(index: number, message: FromWorker): void {
    if (message.kind === "stats") this.stats.addWorker(index, message.announcement);
    else if (message.kind === "outlier") this.#outliers?.onReport(message.report);
    else if (message.kind === "immediate-failure") this.#checkers?.failImmediately(message.failure);
    else if (message.kind === "log")
      this.options.log(levelOf(message.level), message.message, message.fields);
    else if (message.kind === "listening" && index === 0) this.listeners = message.listeners;
    for (const listener of [...this.#waiting]) listener(index, message);
  }

  onCrash(index: number, error: Error): void {
    this.options.log("error", `worker ${index} failed: ${error.message}`, { stack: error.stack });
    this.#crashed?.(error);
  }

  /** Called when a worker dies; the process must end, because its connections are gone and its port is half served. */
  set onWorkerLost(callback: (error: Error) => void) {
    this.#crashed = callback;
  }

  broadcast(message: ToWorker): void {
    // What the main thread does itself goes by the same runtime and the same files.
    if (message.kind === "runtime") this.#runtime?.setOverrides(message.overrides);
    else if (message.kind === "reopen-logs") this.#logs?.reopen();
    else this.#checkers?.onBroadcast(message);
    for (const worker of this.#workers) worker.post(message);
  }

  /** Every cluster's hosts with the counts of all workers. */
  async clusterStatus(): Promise<ReadonlyMap<string, readonly HostStatus[]>> {
    const statuses = await this.#statuses();
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
    const outliers = this.#outliers;
    return new Map(
      [...merged].map(([name, hosts]) => {
        const all = [...hosts.values()];
        return [name, outliers?.withRates(name, all) ?? all];
      }),
    );
  }

  async #statuses(): Promise<Extract<FromWorker, { kind: "status" }>["status"][]> {
    const id = ++this.#lastQuery;
    const answers: Extract<FromWorker, { kind: "status" }>["status"][] = [];
    await new Promise<void>((resolve) => {
      const listener = (_index: number, message: FromWorker): void => {
        if (message.kind !== "status" || message.id !== id) return;
        answers.push(message.status);
        if (answers.length < this.#workers.length) return;
        this.#forget(listener);
        resolve();
      };
      this.#waiting.push(listener);
      this.broadcast({ kind: "status", id });
    });
    return answers;
  }

  /** What the TLS contexts hold; all workers hold the same. */
  async tlsContexts(): Promise<readonly ContextStatus[]> {
    return (await this.#statuses())[0]?.tlsContexts ?? [];
  }

  async connections(): Promise<number> {
    return (await this.#statuses()).reduce((sum, status) => sum + status.connections, 0);
  }

  /** Undefined: the cluster has no outlier detection. */
  successRates(cluster: string): ClusterRates | undefined {
    return this.#outliers?.rates(cluster);
  }

  members(cluster: string): ClusterMembers | undefined {
    return this.#members.get(cluster);
  }

  /** Stop accepting and tell connections to end; resolves when none is left or the time is over. */
  async end(timeMs: number): Promise<{ readonly connectionsLeft: number }> {
    this.state = "DRAINING";
    const idle = this.#eachWorker("idle", this.#workers.length);
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
    this.state = "STOPPED";
    this.#outliers?.stop();
    this.#checkers?.stop();
    this.#overload?.stop();
    this.#secrets.stop();
    for (const discovery of this.#discoveries) discovery.stop();
    for (const worker of this.#workers) worker.abandon();
  }

  async stop(): Promise<void> {
    this.state = "STOPPED";
    this.#outliers?.stop();
    this.#checkers?.stop();
    this.#overload?.stop();
    this.#logs?.flush();
    this.#secrets.stop();
    for (const discovery of this.#discoveries) discovery.stop();
    const stopped = this.#eachWorker("stopped", this.#workers.length);
    this.broadcast({ kind: "stop" });
    await stopped;
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
    slots: SharedSlots.allocate(bootstrap),
  };
}

function levelOf(level: string): "debug" | "info" | "warn" | "error" {
  return level === "debug" || level === "warn" || level === "error" ? level : "info";
}
