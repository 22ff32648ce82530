import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { OverloadManagerJson } from "#gen/envoy/config/overload/v3/overload_pb.js";
import { unreachable } from "#lib/assert.ts";
import { systemClock } from "#lib/clock.ts";
import { collectGarbage } from "#lib/collect-garbage.ts";
import { ConfigError, within } from "#lib/config-error.ts";
import { systemRandom } from "#lib/random.ts";
import { Timers } from "#lib/timers.ts";
import { createAccessLogSinks } from "./access-log/sinks.ts";
import { SharedCells } from "./cluster/circuit-breakers.ts";
import { hostStatus } from "./cluster/host-status.ts";
import { WorkerClusters } from "./cluster/worker-clusters.ts";
import { ConfigChanges, type WorkerServices } from "./config-changes.ts";
import { DnsCaches } from "./dns-cache/dns-caches.ts";
import { ExtensionConfigs } from "./filters/extension-configs.ts";
import { Health } from "./health.ts";
import { ListenerManager } from "./listener/listener-manager.ts";
import { compileOverload } from "./overload/config.ts";
import { ConnectionCounts } from "./overload/connection-counts.ts";
import { WorkerOverload } from "./overload/worker-overload.ts";
import { RouteConfigs } from "./route/route-configs.ts";
import { ScopedRoutes } from "./route/scoped-routes.ts";
import { LayeredRuntime } from "./runtime-layers.ts";
import type { Services } from "./services.ts";
import { SharedSlots } from "./shared-slots.ts";
import { WorkerStats } from "./stats/worker-stats.ts";
import { SecretStore } from "./tls/secrets.ts";
import type { FromWorker, ToWorker, WorkerSpec, WorkerStatus } from "./worker-protocol.ts";

/** One event loop of the data plane: listeners, connections, clusters, stats. Talks to the main thread by messages only. */
export class Worker {
  readonly #post: (message: FromWorker) => void;
  readonly #services: WorkerServices;
  readonly #listeners: ListenerManager;
  readonly #changes: ConfigChanges;
  #draining = false;

  /** Compiles everything; throws ConfigError with every problem. */
  constructor(spec: WorkerSpec, post: (message: FromWorker) => void) {
    this.#post = post;
    this.#services = makeServices(spec, post);
    const { bootstrap } = spec;
    const problems = [
      problemsOf("overload_manager", () => this.#configureOverload(bootstrap.overloadManager)),
      problemsOf("static_resources", () =>
        this.#services.clusters.addAll(bootstrap.staticResources?.clusters ?? [], {
          services: this.#services,
          contexts: this.#services.tlsContexts,
          cells: sharedCells(spec),
        }),
      ),
      problemsOf("cluster_manager", () =>
        this.#services.clusters.chooseLocal(bootstrap.clusterManager?.localClusterName ?? ""),
      ),
    ];
    this.#listeners = new ListenerManager({
      services: this.#services,
      contexts: this.#services.tlsContexts,
      workerIndex: spec.index,
      concurrency: spec.concurrency,
    });
    this.#changes = new ConfigChanges(this.#services, this.#listeners);
    problems.push(
      problemsOf("static_resources", () =>
        this.#listeners.compile(bootstrap.staticResources?.listeners ?? []),
      ),
    );
    const all = problems.flat();
    if (all.length > 0) throw new ConfigError(all);
  }

  #configureOverload(config: OverloadManagerJson | undefined): void {
    if (config === undefined) return;
    const { overload, stats } = this.#services;
    overload.configure(compileOverload(config), stats);
  }

  handle(message: ToWorker): void {
    switch (message.kind) {
      case "secret":
        this.#services.secrets.update(message.key, message.secret);
        return;
      case "reload-certificates":
        for (const context of this.#services.tlsContexts) context.reload(message.directory);
        return;
      case "members":
        this.#services.clusters.update(message.members);
        return;
      case "host-verdict":
        this.#services.clusters.onVerdict(message.verdict);
        return;
      case "checked":
        this.#services.clusters.setCheck(message.checked);
        return;
      case "listen":
        this.#listen(message);
        return;
      case "change":
        this.#post({
          kind: "changed",
          id: message.id,
          refused: this.#changes.apply(message.changes),
        });
        return;
      case "step":
        this.#changes.step(message.step);
        return;
      case "activate-listener":
        this.#activate(message);
        return;
      case "drain":
        this.#services.health.drain({ ...message, clock: this.#services.clock });
        return;
      case "close-listeners":
        this.#listeners.close(message.inboundOnly);
        return;
      case "end":
        this.#draining = true;
        this.#listeners.drain(() => this.#post({ kind: "idle" }));
        return;
      case "health":
        this.#services.health.failed = message.failed;
        return;
      case "overload":
        this.#services.overload.update(message.levels);
        this.#listeners.paused = this.#services.overload.paused;
        return;
      case "shrink-heap":
        collectGarbage();
        return;
      case "runtime":
        this.#services.runtime.setOverrides(message.overrides);
        return;
      case "runtime-layer":
        this.#services.runtime.setLayer(message.name, message.values);
        return;
      case "log-level":
        return;
      case "reopen-logs":
        this.#services.logSinks.reopen();
        return;
      case "status":
        this.#post({ kind: "status", id: message.id, status: this.#status() });
        return;
      case "stop":
        this.#stop();
        return;
      default:
        unreachable(message);
    }
  }

  #listen({ ports, shared }: Extract<ToWorker, { kind: "listen" }>): void {
    this.#listeners.start(ports, shared).then(
      () => this.#post({ kind: "listening", listeners: this.#listeners.status() }),
      (error: unknown) =>
        this.#post({
          kind: "failed",
          message: error instanceof Error ? error.message : String(error),
        }),
    );
  }

  #activate({ id, name, ...options }: Extract<ToWorker, { kind: "activate-listener" }>): void {
    const answer = (problem: string | undefined): void =>
      this.#post({ kind: "activated", id, problem, listeners: this.#listeners.status() });
    this.#listeners.activate(name, options).then(
      () => answer(undefined),
      (error: unknown) => answer(error instanceof Error ? error.message : String(error)),
    );
  }

  get draining(): boolean {
    return this.#draining;
  }

  #status(): WorkerStatus {
    const clusters: Record<string, WorkerStatus["clusters"][string]> = {};
    for (const cluster of this.#services.clusters.all)
      clusters[cluster.name] = cluster.hosts.map(hostStatus);
    const tlsContexts = [...this.#services.tlsContexts].flatMap(({ status }) => status ?? []);
    return { connections: this.#listeners.connectionsActive, clusters, tlsContexts };
  }

  #stop(): void {
    this.#listeners.stop();
    this.#services.clusters.destroy();
    this.#services.dnsCaches.destroy();
    this.#services.logSinks.flush();
    this.#post({ kind: "stopped" });
  }
}

function problemsOf(
  path: string,
  compile: () => void,
): readonly { path: string; message: string }[] {
  try {
    within(path, compile);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function sharedCells(spec: WorkerSpec): SharedCells | undefined {
  return spec.sharedCells === undefined
    ? undefined
    : new SharedCells(
        spec.sharedCells,
        (spec.bootstrap.staticResources?.clusters ?? []).map((cluster) => cluster.name ?? ""),
      );
}

function makeServices(spec: WorkerSpec, post: (message: FromWorker) => void): WorkerServices {
  const stats = new WorkerStats((announcement) => post({ kind: "stats", announcement }));
  const log: Services["log"] = (level, message, fields) =>
    post({ kind: "log", level, message, fields });
  const timers = new Timers(systemClock);
  return {
    clock: systemClock,
    timers,
    random: systemRandom,
    stats,
    runtime: LayeredRuntime.from(runtimeOf(spec.bootstrap)),
    clusters: new WorkerClusters(),
    logSinks: createAccessLogSinks({
      flushIntervalMs: spec.accessLogFlushMs,
      flushBytesMin: spec.accessLogFlushBytes,
      clock: systemClock,
      stats,
      log,
    }),
    secrets: secretsOf(spec),
    routeConfigs: new RouteConfigs(),
    scopedRoutes: new ScopedRoutes(),
    extensions: new ExtensionConfigs(),
    tlsContexts: new Set(),
    dnsCaches: new DnsCaches(),
    workerIndex: spec.index,
    sharedSlots: spec.sharedSlots === undefined ? undefined : new SharedSlots(spec.sharedSlots),
    ticketSecret: spec.ticketSecret,
    node: spec.node,
    health: new Health(),
    overload: new WorkerOverload({ random: systemRandom, timers }),
    connectionCounts: new ConnectionCounts(spec.connectionCounts),
    reportOutlier: (report) => post({ kind: "outlier", report }),
    reportImmediateFailure: (failure) => post({ kind: "immediate-failure", failure }),
    log,
  };
}

function secretsOf({ bootstrap }: WorkerSpec): SecretStore {
  const secrets = new SecretStore();
  secrets.addStatic(bootstrap.staticResources?.secrets ?? []);
  return secrets;
}

function runtimeOf(bootstrap: BootstrapJson): BootstrapJson["layeredRuntime"] {
  return bootstrap.layeredRuntime;
}
