import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { systemClock } from "#lib/clock.ts";
import { type Address, addressText, ipAddress, pipeAddress } from "#net/address.ts";
import { AdminServer } from "./admin/server.ts";
import type { AdminSource } from "./admin/source.ts";
import type { ClusterMembers } from "./cluster/host.ts";
import type { DynamicDump } from "./dynamic/dynamic-config.ts";
import type { ClusterRates } from "./outlier/report.ts";
import { ProcessLog } from "./process-log.ts";
import type { RuntimeListing } from "./runtime-layers.ts";
import type { ProxyServer } from "./server.ts";
import { StartError } from "./start-error.ts";
import type { MainStats } from "./stats/main-stats.ts";
import { certificateMessages } from "./tls/certs-page.ts";
import type { HostStatus, ListenerStatus } from "./worker-protocol.ts";

/** The command line as /server_info shows it and as draining needs it; Envoy's words (docs/reference/configuration.md). */
export interface ProcessFlags {
  readonly configPath: string | undefined;
  readonly configYaml: string | undefined;
  readonly mode: "serve" | "validate" | "init_only";
  readonly concurrency: number;
  readonly logPath: string | undefined;
  readonly drainTimeMs: number;
  readonly drainStrategy: "gradual" | "immediate";
  readonly parentShutdownTimeMs: number;
  readonly adminAddressPath: string | undefined;
  readonly serviceNode: string;
  readonly serviceCluster: string;
  readonly serviceZone: string;
  readonly baseId: number;
  readonly localAddressIpVersion: "v4" | "v6";
  readonly fileFlushIntervalMs: number;
}

interface ProcessParts {
  readonly server: ProxyServer;
  readonly flags: ProcessFlags;
  readonly log: ProcessLog;
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
    void server.end(flags.drainTimeMs).then(({ connectionsLeft }) => {
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

  /** Open the admin port; undefined when the bootstrap has none. */
  async startAdmin(): Promise<AdminServer | undefined> {
    const { flags, log } = this.#parts;
    const address = adminAddress(this.bootstrap);
    if (address === undefined) return undefined;
    const admin = new AdminServer(this);
    try {
      const bound = await admin.listen(address);
      if (flags.adminAddressPath !== undefined)
        writeFileSync(flags.adminAddressPath, addressText(bound));
      log.write("info", `admin on ${addressText(bound)}`);
      return admin;
    } catch (cause) {
      // Its socket would keep a process alive that serves nothing.
      admin.close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StartError(`admin cannot listen on ${addressText(address)}: ${reason}`, { cause });
    }
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

  dynamic(): DynamicDump | undefined {
    return this.#parts.server.dynamicConfig();
  }

  async certificates(): Promise<readonly object[]> {
    return certificateMessages(await this.#parts.server.tlsContexts(), systemClock.wallMs());
  }

  successRates(cluster: string): ClusterRates | undefined {
    return this.#parts.server.successRates(cluster);
  }

  members(cluster: string): ClusterMembers | undefined {
    return this.#parts.server.members(cluster);
  }

  runtime(): RuntimeListing {
    return this.#parts.server.runtime.listing();
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
    const { server } = this.#parts;
    const problem = server.runtime.modify(values);
    if (problem === undefined)
      server.broadcast({ kind: "runtime", overrides: server.runtime.overrides() });
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
    const { graceful, skipExit, inboundOnly } = options;
    const closeAfterMs = graceful ? flags.drainTimeMs : 0;
    server.drain({
      timeMs: flags.drainStrategy === "gradual" ? flags.drainTimeMs : 0,
      closeAfterMs: skipExit ? Number.POSITIVE_INFINITY : closeAfterMs,
      inboundOnly,
    });
  }

  reopenLogs(): void {
    this.#parts.server.broadcast({ kind: "reopen-logs" });
  }

  quit(): void {
    // The answer to the request that asked for it leaves first.
    setImmediate(() => this.#end(0));
  }
}

function adminAddress(bootstrap: BootstrapJson): Address | undefined {
  const address = bootstrap.admin?.address;
  if (address?.pipe !== undefined) return pipeAddress(address.pipe.path ?? "");
  const socket = address?.socketAddress;
  if (socket === undefined) return undefined;
  const ip = socket.address ?? "";
  if (isIP(ip) === 0) {
    const path = "admin.address.socket_address.address";
    throw new StartError("configuration refused", {
      problems: [{ path, message: `malformed IP address: ${ip}` }],
    });
  }
  return ipAddress(ip, socket.portValue ?? 0);
}
