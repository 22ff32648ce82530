import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { ClusterMembers } from "../host.ts";
import type { Discovery } from "./discovery.ts";
import type { DiscoveryStats } from "./discovery-stats.ts";
import { membersOf } from "./load-assignment.ts";

/** Where endpoints come from that a control plane sends. */
export interface AssignmentSource {
  /**
   * `onAssignment` gets the assignment of the cluster (its service name) now, if it is known, and after each change; throws
   * ConfigError when it cannot be used. Returns how to end it.
   */
  watch(config: ClusterJson, watcher: AssignmentWatcher): () => void;
}

export interface AssignmentWatcher {
  readonly stats: DiscoveryStats;
  onAssignment(assignment: ClusterLoadAssignmentJson): void;
  /** It does not come in time. */
  onTimeout(): void;
}

/** Endpoints from a control plane. */
export class EdsFeedDiscovery implements Discovery {
  readonly #config: ClusterJson;
  readonly #source: AssignmentSource;
  readonly #stats: DiscoveryStats;
  #end: (() => void) | undefined;

  constructor(
    config: ClusterJson,
    source: AssignmentSource,
    { stats }: { readonly stats: DiscoveryStats },
  ) {
    this.#config = config;
    this.#source = source;
    this.#stats = stats;
  }

  start(onMembers: (members: ClusterMembers) => void, onTimeout: () => void): void {
    this.#end = this.#source.watch(this.#config, {
      stats: this.#stats,
      onAssignment: (assignment) => {
        const members = membersOf(this.#config.name ?? "", assignment);
        this.#stats.membership(members);
        onMembers(members);
      },
      onTimeout,
    });
  }

  stop(): void {
    this.#end?.();
  }
}
