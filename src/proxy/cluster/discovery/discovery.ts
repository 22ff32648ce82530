import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { Clock } from "#lib/clock.ts";
import type { NodeInfo, Services } from "../../services.ts";
import type { StatsScope } from "../../stats/stats.ts";
import type { ClusterMembers } from "../host.ts";
import { DnsDiscovery } from "./dns.ts";
import { EdsFileDiscovery } from "./eds-file.ts";
import { membersOf } from "./load-assignment.ts";
import { type Resolver, systemResolver } from "./resolver.ts";

export interface DiscoveryContext {
  readonly clock: Clock;
  /** The main thread's root scope. */
  readonly stats: StatsScope;
  readonly log: Services["log"];
  readonly node: NodeInfo;
  /** The system's, unless a test brings its own. */
  readonly resolver?: Resolver;
}

/** Finds a cluster's members; runs in the main thread. */
export interface Discovery {
  /**
   * `onMembers` is called with each whole membership, `onTimeout` when the first answer takes too long: the proxy then starts without.
   */
  start(onMembers: (members: ClusterMembers) => void, onTimeout: () => void): void;
  stop(): void;
}

/** Throws ConfigError for a cluster type that Heddle does not know. */
export function createDiscovery(config: ClusterJson, context: DiscoveryContext): Discovery {
  const type = config.type ?? "STATIC";
  switch (type) {
    case "STATIC":
      return new FixedDiscovery(membersOf(config.name ?? "", config.loadAssignment));
    case "ORIGINAL_DST":
      // Its hosts come into being in the workers, with the first request for them.
      return new FixedDiscovery(membersOf(config.name ?? "", undefined));
    case "STRICT_DNS":
    case "LOGICAL_DNS":
      return new DnsDiscovery(config, type, { ...context, resolver: context.resolver ?? systemResolver(config) });
    case "EDS":
      return new EdsFileDiscovery(config, context);
    default:
      throw refuse("type", `${String(type)} is not supported`);
  }
}

class FixedDiscovery implements Discovery {
  readonly #members: ClusterMembers;

  constructor(members: ClusterMembers) {
    this.#members = members;
  }

  start(onMembers: (members: ClusterMembers) => void): void {
    onMembers(this.#members);
  }

  stop(): void {}
}
