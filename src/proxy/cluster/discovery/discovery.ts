import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Clock } from "#lib/clock.ts";
import { refuse } from "#lib/config-error.ts";
import { type Random, systemRandom } from "#lib/random.ts";
import type { NodeInfo, Services } from "../../services.ts";
import type { StatsScope } from "../../stats/stats.ts";
import { clusterType } from "../cluster-type.ts";
import type { ClusterMembers } from "../host.ts";
import { DiscoveryStats } from "./discovery-stats.ts";
import { DnsDiscovery } from "./dns.ts";
import { dnsOptions } from "./dns-options.ts";
import { type AssignmentSource, EdsFeedDiscovery } from "./eds-feed.ts";
import { EdsFileDiscovery } from "./eds-file.ts";
import { edsPath } from "./eds-source.ts";
import { membersOf } from "./load-assignment.ts";
import { type Resolver, systemResolver } from "./resolver.ts";

export interface DiscoveryContext {
  readonly clock: Clock;
  /** The main thread's root scope. */
  readonly stats: StatsScope;
  readonly log: Services["log"];
  readonly node: NodeInfo;
  /** Undefined: nothing comes by xDS. */
  readonly assignments?: AssignmentSource | undefined;
  /** The system's, unless a test brings its own. */
  readonly resolver?: Resolver;
  readonly random?: Random;
}

export type { AssignmentSource };

/** Finds a cluster's members; runs in the main thread. */
export interface Discovery {
  /**
   * `onMembers` is called with each whole membership, `onTimeout` when the first answer fails or takes too long: the proxy
   * then starts without it.
   */
  start(onMembers: (members: ClusterMembers) => void, onTimeout: () => void): void;
  stop(): void;
}

/** Of a cluster that `checkDiscovery` let through. */
export function createDiscovery(config: ClusterJson, context: DiscoveryContext): Discovery {
  const checked = (config.healthChecks ?? []).length > 0;
  const stats = new DiscoveryStats(config, context.stats, !checked);
  const type = clusterType(config);
  switch (type) {
    case "STATIC":
      return new FixedDiscovery(membersOf(config.name ?? "", config.loadAssignment), stats);
    case "ORIGINAL_DST":
    case "DYNAMIC_FORWARD_PROXY":
      // None: its hosts come into being in the workers, with the first request for each.
      return new FixedDiscovery(membersOf(config.name ?? "", undefined), stats);
    case "STRICT_DNS":
    case "LOGICAL_DNS": {
      const options = dnsOptions(config, type);
      const { resolver = systemResolver(options.resolver), random = systemRandom } = context;
      return new DnsDiscovery(config, options, { ...context, stats, resolver, random });
    }
    case "EDS": {
      if (edsPath(config) !== undefined) return new EdsFileDiscovery(config, { ...context, stats });
      const { assignments } = context;
      if (assignments === undefined)
        throw refuse("eds_cluster_config", "there is no control plane");
      return new EdsFeedDiscovery(config, assignments, { stats });
    }
    default:
      throw refuse("type", `${String(type)} is not supported by Heddle`);
  }
}

class FixedDiscovery implements Discovery {
  readonly #members: ClusterMembers;
  readonly #stats: DiscoveryStats;

  constructor(members: ClusterMembers, stats: DiscoveryStats) {
    this.#members = members;
    this.#stats = stats;
  }

  start(onMembers: (members: ClusterMembers) => void): void {
    this.#stats.membership(this.#members);
    onMembers(this.#members);
  }

  stop(): void {}
}
