import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { refuse } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { decodeResource } from "../../configuration.ts";
import type { ClusterMembers } from "../host.ts";
import type { Discovery, DiscoveryContext } from "./discovery.ts";
import { membersOf } from "./load-assignment.ts";

const discoveryResponse = "envoy.service.discovery.v3.DiscoveryResponse";
const initialFetchTimeoutMs = 15_000;

/**
 * Endpoints from a file that holds a DiscoveryResponse. As in Envoy a change takes effect when the file is moved into place (or its
 * watched directory changes); a bad file is counted and the last good one keeps serving.
 */
export class EdsFileDiscovery implements Discovery {
  readonly #cluster: string;
  readonly #resource: string;
  readonly #path: string;
  readonly #watched: string;
  readonly #context: DiscoveryContext;
  readonly #timeoutMs: number;
  readonly #statPrefix: string;
  #watcher: FSWatcher | undefined;
  #published = "";
  #reading: Promise<void> = Promise.resolve();

  constructor(config: ClusterJson, context: DiscoveryContext) {
    const source = config.edsClusterConfig?.edsConfig;
    const path = source?.pathConfigSource?.path ?? source?.path;
    if (path === undefined || path === "") throw refuse("eds_cluster_config.eds_config", "only endpoints from a file (path_config_source) are supported yet");
    this.#cluster = config.name ?? "";
    const service = config.edsClusterConfig?.serviceName ?? "";
    this.#resource = service === "" ? this.#cluster : service;
    this.#path = path;
    this.#watched = source?.pathConfigSource?.watchedDirectory?.path ?? dirname(path);
    this.#timeoutMs = durationMs(source?.initialFetchTimeout, initialFetchTimeoutMs);
    this.#context = context;
    this.#statPrefix = `cluster.${config.altStatName ?? this.#cluster}.`;
  }

  start(onMembers: (members: ClusterMembers) => void, onTimeout: () => void): void {
    const timer = this.#timeoutMs > 0 ? this.#context.clock.after(this.#timeoutMs, onTimeout) : undefined;
    const reread = (): void => {
      this.#reading = this.#reading.then(() => this.#read(onMembers));
    };
    try {
      this.#watcher = watch(this.#watched, { persistent: false }, (_event, name) => {
        // A watched directory (a Kubernetes volume) changes by the move of a link in it, whatever its name.
        if (name === null || name === basename(this.#path) || this.#watched !== dirname(this.#path)) reread();
      });
      this.#watcher.on("error", (error) => this.#context.log("warn", `eds: cannot watch ${this.#watched}: ${error.message}`, { cluster: this.#cluster }));
    } catch (error) {
      throw refuse("eds_cluster_config.eds_config", `cannot watch ${this.#watched}: ${error instanceof Error ? error.message : String(error)}`);
    }
    reread();
    void this.#reading.then(() => timer?.cancel());
  }

  stop(): void {
    this.#watcher?.close();
  }

  async #read(onMembers: (members: ClusterMembers) => void): Promise<void> {
    const scope = this.#context.stats.scope(this.#statPrefix);
    scope.counter("update_attempt").inc();
    try {
      const text = await readFile(this.#path, "utf8");
      if (text === this.#published) return;
      const response = (await decodeResource(discoveryResponse, text, this.#path)) as { resources?: readonly unknown[] };
      const members = membersOf(this.#cluster, this.#find(response.resources ?? []));
      this.#published = text;
      scope.counter("update_success").inc();
      onMembers(members);
    } catch (error) {
      scope.counter("update_rejected").inc();
      this.#context.log("warn", `eds: ${this.#path} is refused, the last good endpoints stay: ${error instanceof Error ? error.message : String(error)}`, { cluster: this.#cluster });
    }
  }

  #find(resources: readonly unknown[]): ClusterLoadAssignmentJson {
    for (const resource of resources) {
      const assignment = resource as ClusterLoadAssignmentJson;
      if (assignment.clusterName === this.#resource) return assignment;
    }
    throw refuse("resources", `no ClusterLoadAssignment is named ${this.#resource}`);
  }
}
