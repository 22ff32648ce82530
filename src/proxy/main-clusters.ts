import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Clock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import type { AccessLogSinks } from "./access-log/sinks.ts";
import {
  type AssignmentSource,
  createDiscovery,
  type Discovery,
} from "./cluster/discovery/discovery.ts";
import type { ClusterMembers } from "./cluster/host.ts";
import { HealthCheckers } from "./health-check/checkers.ts";
import { OutlierDetectors } from "./outlier/detectors.ts";
import type { ClusterRates } from "./outlier/report.ts";
import type { Runtime } from "./runtime.ts";
import type { NodeInfo, Services } from "./services.ts";
import type { MainStats } from "./stats/main-stats.ts";
import type { FromWorker, HostStatus, ToWorker } from "./worker-protocol.ts";

export interface MainClustersContext {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly stats: MainStats;
  readonly logs: AccessLogSinks;
  readonly log: Services["log"];
  readonly node: NodeInfo;
  /** Workers run in threads of their own. */
  readonly threads: boolean;
  /** Endpoints that come by xDS. */
  readonly assignments: AssignmentSource | undefined;
  readonly broadcast: (message: ToWorker) => void;
}

/** The main thread's side of all clusters: who their members are, and how well these are. */
export class MainClusters {
  readonly #context: MainClustersContext;
  readonly #outliers: OutlierDetectors;
  readonly #checkers: HealthCheckers;
  readonly #discoveries: Map<string, Discovery> = new Map();
  readonly #members: Map<string, ClusterMembers> = new Map();

  /** Throws ConfigError for an event log that cannot be written. */
  constructor(bootstrap: BootstrapJson, context: MainClustersContext) {
    const { clock, runtime, logs, log, stats, broadcast } = context;
    this.#context = context;
    this.#outliers = new OutlierDetectors(bootstrap, {
      clock,
      random: systemRandom,
      runtime,
      stats: stats.own,
      logs,
      threads: context.threads,
      onVerdict: (verdict) => broadcast({ kind: "host-verdict", verdict }),
    });
    this.#checkers = new HealthCheckers(bootstrap, {
      clock,
      random: systemRandom,
      runtime,
      stats,
      logs,
      log,
      publish: (members) => this.#publish(members),
      onChange: (checked) => broadcast({ kind: "checked", checked }),
      onHealthy: (cluster, host) => this.#outliers.onHealthCheckPassed(cluster, host),
    });
  }

  /** A cluster that the workers have taken, in the place of one of its name. `onReady`: its first members are known, or do not come. */
  add(config: ClusterJson, onReady: () => void): void {
    const name = config.name ?? "";
    this.remove(name);
    this.#outliers.add(config);
    this.#checkers.add(config);
    const { clock, stats, log, node, assignments } = this.#context;
    const discovery = createDiscovery(config, { clock, stats: stats.own, log, node, assignments });
    this.#discoveries.set(name, discovery);
    discovery.start((members) => {
      const checker = this.#checkers.of(name);
      if (checker !== undefined) checker.update(members, onReady);
      else {
        this.#publish(members);
        onReady();
      }
    }, onReady);
  }

  remove(name: string): void {
    this.#discoveries.get(name)?.stop();
    this.#discoveries.delete(name);
    this.#outliers.remove(name);
    this.#checkers.remove(name);
    this.#members.delete(name);
  }

  #publish(members: ClusterMembers): void {
    this.#members.set(members.cluster, members);
    this.#context.broadcast({ kind: "members", members: this.#outliers.withSlots(members) });
  }

  /** Secrets have come: hosts can be reached. */
  startChecks(): void {
    this.#checkers.start();
  }

  onWorker(message: FromWorker): void {
    if (message.kind === "outlier") this.#outliers.onReport(message.report);
    else if (message.kind === "immediate-failure") this.#checkers.failImmediately(message.failure);
  }

  /** What workers are told holds for checks too. */
  onBroadcast(message: ToWorker): void {
    this.#checkers.onBroadcast(message);
  }

  members(cluster: string): ClusterMembers | undefined {
    return this.#members.get(cluster);
  }

  /** Undefined: the cluster has no outlier detection. */
  successRates(cluster: string): ClusterRates | undefined {
    return this.#outliers.rates(cluster);
  }

  /** What workers do not know of their hosts. */
  withRates(cluster: string, hosts: readonly HostStatus[]): readonly HostStatus[] {
    return this.#outliers.withRates(cluster, hosts);
  }

  stop(): void {
    this.#outliers.stop();
    this.#checkers.stop();
    for (const discovery of this.#discoveries.values()) discovery.stop();
  }
}
