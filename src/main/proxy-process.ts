import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { AdminSource } from "#proxy/admin/source.ts";
import type { ClusterMembers } from "#proxy/cluster/host.ts";
import type { LayeredRuntime, RuntimeListing } from "#proxy/runtime-layers.ts";
import type { ProxyServer } from "#proxy/server.ts";
import type { MainStats } from "#proxy/stats/main-stats.ts";
import type { HostStatus, ListenerStatus } from "#proxy/worker-protocol.ts";
import { ProcessLog } from "./log.ts";
import type { ProxyFlags } from "./proxy-flags.ts";

interface ProcessParts {
  readonly server: ProxyServer;
  readonly flags: ProxyFlags;
  readonly log: ProcessLog;
  readonly runtime: LayeredRuntime;
  readonly version: string;
}

/** A serving process: its signals, its drain, its end; and what the admin pages may do to it. */
export class ProxyProcess implements AdminSource {
  readonly #parts: ProcessParts;
  readonly #ended: Promise<number>;
  #end: (exitCode: number) => void = () => {};
  #draining = false;
  #healthFailed = false;

  constructor(parts: ProcessParts) {
    this.#parts = parts;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    parts.server.onWorkerLost = () => this.#end(1);
    process.on("SIGTERM", () => this.#onTerminate());
    process.on("SIGINT", () => this.#onTerminate());
    process.on("SIGHUP", () => parts.log.write("info", "SIGHUP: nothing to do"));
    process.on("SIGUSR1", () => this.reopenLogs());
    this.#serverStats();
  }

  /** Resolves with the exit code when the proxy has stopped. */
  async untilEnd(): Promise<number> {
    const exitCode = await this.#ended;
    await this.#parts.server.stop();
    return exitCode;
  }

  /** The first signal drains, a second one ends at once. */
  #onTerminate(): void {
    if (this.#draining) {
      this.#end(0);
      return;
    }
    this.#draining = true;
    const { server, flags, log } = this.#parts;
    log.write("info", `draining for at most ${flags.drainTimeMs / 1000} s`);
    void server.drain({ timeMs: flags.drainTimeMs, close: true }).then(({ connectionsLeft }) => {
      log.write(
        connectionsLeft === 0 ? "info" : "warn",
        `drained, ${connectionsLeft} connections left`,
      );
      this.#end(0);
    });
  }

  #serverStats(): void {
    const { stats, options } = this.#parts.server;
    stats.own.gauge("server.concurrency").set(options.concurrency);
    stats.own.gauge("server.hot_restart_epoch").set(0);
    stats.own.gauge("listener_manager.workers_started").set(1);
    stats.own
      .gauge("cluster_manager.active_clusters")
      .set(options.bootstrap.staticResources?.clusters?.length ?? 0);
    stats.own
      .gauge("listener_manager.total_listeners_active")
      .set(options.bootstrap.staticResources?.listeners?.length ?? 0);
  }

  // === What admin pages read ===

  get bootstrap(): BootstrapJson {
    return this.#parts.server.options.bootstrap;
  }

  get stats(): MainStats {
    const { stats } = this.#parts.server;
    const usage = process.memoryUsage();
    stats.own.gauge("server.uptime").set(Math.floor(this.uptimeMs / 1000));
    stats.own.gauge("server.live").set(this.state === "LIVE" ? 1 : 0);
    stats.own.gauge("server.memory_allocated").set(usage.heapUsed + usage.external);
    stats.own.gauge("server.memory_heap_size").set(usage.heapTotal);
    stats.own.gauge("server.memory_physical_size").set(usage.rss);
    return stats;
  }

  get version(): string {
    return `heddle/${this.#parts.version}/node-${process.versions.node}`;
  }

  get uptimeMs(): number {
    return this.#parts.server.uptimeMs;
  }

  get state(): string {
    return this.#healthFailed || this.#draining ? "DRAINING" : this.#parts.server.state;
  }

  get commandLine(): Readonly<Record<string, unknown>> {
    const { flags } = this.#parts;
    return {
      base_id: String(flags.baseId),
      concurrency: flags.concurrency,
      config_path: flags.configPath ?? "",
      config_yaml: flags.configYaml ?? "",
      admin_address_path: flags.adminAddressPath ?? "",
      local_address_ip_version: flags.localAddressIpVersion,
      log_level: this.#parts.log.level,
      log_path: flags.logPath ?? "",
      service_cluster: flags.serviceCluster,
      service_node: flags.serviceNode,
      service_zone: flags.serviceZone,
      file_flush_interval: `${(flags.fileFlushIntervalMs / 1000).toFixed(3)}s`,
      drain_time: `${flags.drainTimeMs / 1000}s`,
      parent_shutdown_time: `${flags.parentShutdownTimeMs / 1000}s`,
      mode: flags.mode === "serve" ? "Serve" : flags.mode === "validate" ? "Validate" : "InitOnly",
      drain_strategy: flags.drainStrategy === "gradual" ? "Gradual" : "Immediate",
    };
  }

  get listeners(): readonly ListenerStatus[] {
    return this.#parts.server.listeners;
  }

  clusters(): Promise<ReadonlyMap<string, readonly HostStatus[]>> {
    return this.#parts.server.clusterStatus();
  }

  members(cluster: string): ClusterMembers | undefined {
    return this.#parts.server.members(cluster);
  }

  runtime(): RuntimeListing {
    return this.#parts.runtime.listing();
  }

  // === What admin pages do ===

  get logLevels(): ReadonlyMap<string, string> {
    return new Map([["main", this.#parts.log.level]]);
  }

  setLogLevels(levels: ReadonlyMap<string, string>): string | undefined {
    for (const level of levels.values()) {
      if (!ProcessLog.isLevel(level)) return "unknown logger level";
      this.#parts.log.level = level;
    }
    return undefined;
  }

  modifyRuntime(values: ReadonlyMap<string, string>): string | undefined {
    const problem = this.#parts.runtime.modify(values);
    if (problem === undefined)
      this.#parts.server.broadcast({ kind: "runtime", overrides: this.#parts.runtime.overrides() });
    return problem;
  }

  setHealthFailed(failed: boolean): void {
    this.#healthFailed = failed;
    this.#parts.server.broadcast({ kind: "health", failed });
  }

  drain(options: {
    readonly graceful: boolean;
    readonly skipExit: boolean;
    readonly inboundOnly: boolean;
  }): void {
    const { server, flags } = this.#parts;
    const timeMs = options.graceful ? flags.drainTimeMs : 0;
    void server.drain({ timeMs, inboundOnly: options.inboundOnly, close: !options.skipExit });
  }

  reopenLogs(): void {
    this.#parts.server.broadcast({ kind: "reopen-logs" });
  }

  quit(): void {
    // The answer to the request that asked for it leaves first.
    setImmediate(() => this.#end(0));
  }
}
