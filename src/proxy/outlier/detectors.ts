import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Clock } from "#lib/clock.ts";
import { within } from "#lib/config-error.ts";
import type { Random } from "#lib/random.ts";
import type { AccessLogSinks } from "../access-log/sinks.ts";
import type { ClusterMembers } from "../cluster/host.ts";
import type { Runtime } from "../runtime.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { HostStatus } from "../worker-protocol.ts";
import { compileOutlier } from "./config.ts";
import { OutlierDetector } from "./detector.ts";
import { DetectorStats } from "./detector-stats.ts";
import { OutlierEventLog } from "./event-log.ts";
import type { ClusterRates, HostVerdict, OutlierReport } from "./report.ts";
import { outlierKey, SlotMemory } from "./slots.ts";

export interface DetectorsContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  /** The main thread's own. */
  readonly stats: StatsScope;
  readonly logs: AccessLogSinks;
  /** Workers run in threads of their own. */
  readonly threads: boolean;
  readonly onVerdict: (verdict: HostVerdict) => void;
}

/** The detectors of all clusters that have one. Their configuration has been compiled by a worker before: it is valid. */
export class OutlierDetectors {
  readonly #detectors: Map<string, OutlierDetector> = new Map();
  readonly #context: DetectorsContext;
  readonly #log: OutlierEventLog | undefined;

  /** Throws ConfigError for an event log that cannot be written. */
  constructor(bootstrap: BootstrapJson, context: DetectorsContext) {
    this.#context = context;
    this.#log = openLog(bootstrap, context);
  }

  add(config: ClusterJson): void {
    const context = this.#context;
    const settings = compileOutlier(config);
    if (settings === undefined) return;
    const cluster = config.name ?? "";
    const statName = (config.altStatName || cluster).replaceAll(":", "_");
    const detector = new OutlierDetector({
      cluster,
      settings,
      log: this.#log,
      clock: context.clock,
      random: context.random,
      runtime: context.runtime,
      stats: new DetectorStats(context.stats.scope(`cluster.${statName}.`)),
      memory: new SlotMemory(context.threads),
      onVerdict: (host, state, on) => context.onVerdict({ cluster, host, state, on }),
    });
    this.#detectors.set(cluster, detector);
    detector.start();
  }

  remove(cluster: string): void {
    this.#detectors.get(cluster)?.stop();
    this.#detectors.delete(cluster);
  }

  /** The membership as workers need it. */
  withSlots(members: ClusterMembers): ClusterMembers {
    const detector = this.#detectors.get(members.cluster);
    return detector === undefined ? members : { ...members, outlier: detector.update(members) };
  }

  onReport({ cluster, host, kind }: OutlierReport): void {
    const detector = this.#detectors.get(cluster);
    if (kind === "degraded") detector?.onDegraded(host);
    else detector?.onConsecutive(host, kind);
  }

  /** `host` is an `outlierKey`. */
  onHealthCheckPassed(cluster: string, host: string): void {
    this.#detectors.get(cluster)?.onHealthCheckPassed(host);
  }

  /** Undefined: the cluster has no outlier detection. */
  rates(cluster: string): ClusterRates | undefined {
    const detector = this.#detectors.get(cluster);
    if (detector === undefined) return undefined;
    return { external: detector.threshold("external"), local: detector.threshold("local") };
  }

  /** What workers do not know of their hosts. */
  withRates(cluster: string, hosts: readonly HostStatus[]): readonly HostStatus[] {
    const detector = this.#detectors.get(cluster);
    if (detector === undefined) return hosts;
    return hosts.map((host) => {
      const key = outlierKey({ priority: host.priority, addressText: host.address });
      const rates = detector.host(key)?.successRate;
      if (rates === undefined) return host;
      return { ...host, successRate: rates.external, localOriginSuccessRate: rates.local };
    });
  }

  stop(): void {
    for (const detector of this.#detectors.values()) detector.stop();
  }
}

function openLog(
  bootstrap: BootstrapJson,
  { logs, clock }: DetectorsContext,
): OutlierEventLog | undefined {
  const path = bootstrap.clusterManager?.outlierDetection?.eventLogPath ?? "";
  if (path === "") return undefined;
  const sink = within("cluster_manager.outlier_detection.event_log", () => logs.file(path));
  return new OutlierEventLog(sink, clock);
}
