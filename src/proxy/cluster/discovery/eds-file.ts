import { existsSync, type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { refuse } from "#lib/config-error.ts";
import { decodeResource } from "../../configuration.ts";
import type { ClusterMembers } from "../host.ts";
import type { Discovery, DiscoveryContext } from "./discovery.ts";
import type { DiscoveryStats } from "./discovery-stats.ts";
import { type EdsFile, edsFile } from "./eds-source.ts";
import { membersOf } from "./load-assignment.ts";

interface EdsContext extends Omit<DiscoveryContext, "stats"> {
  readonly stats: DiscoveryStats;
  /** Reads a DiscoveryResponse; a test may bring its own. */
  readonly decode?: typeof decodeResource;
}

const discoveryResponse = "envoy.service.discovery.v3.DiscoveryResponse";
/**
 * Endpoints from a file that holds a DiscoveryResponse. As in Envoy a change takes effect when the file is moved into
 * place (or something moves in its watched directory); a bad file is counted and the last good one keeps serving.
 */
export class EdsFileDiscovery implements Discovery {
  readonly #cluster: string;
  readonly #file: EdsFile;
  readonly #context: EdsContext;
  #watcher: FSWatcher | undefined;
  #lastGood: string | undefined;
  /** Reads one after the other, so that an older file never wins. */
  #reading: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(config: ClusterJson, context: EdsContext) {
    this.#cluster = config.name ?? "";
    this.#file = edsFile(config);
    this.#context = context;
  }

  start(onMembers: (members: ClusterMembers) => void, onTimeout: () => void): void {
    const { path, watchedDirectory, anyName, initialFetchTimeoutMs } = this.#file;
    this.#watcher = watch(watchedDirectory, { persistent: false }, (event, name) => {
      // Node says "rename" for a move, "change" for a write in place, which may be half done.
      if (event !== "rename") return;
      if (anyName || name === null || name === basename(path)) this.#reread(onMembers);
    });
    this.#watcher.on("error", (error) =>
      this.#warn(`cannot watch ${watchedDirectory}: ${error.message}`),
    );
    const timer =
      initialFetchTimeoutMs > 0
        ? this.#context.clock.after(initialFetchTimeoutMs, onTimeout)
        : undefined;
    this.#reread(onMembers);
    void this.#reading.then(() => {
      timer?.cancel();
      if (this.#lastGood === undefined) onTimeout();
    });
  }

  stop(): void {
    this.#watcher?.close();
  }

  #reread(onMembers: (members: ClusterMembers) => void): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#reading = this.#reading.then(() => {
      this.#waiting = false;
      return this.#read(onMembers);
    });
  }

  async #read(onMembers: (members: ClusterMembers) => void): Promise<void> {
    const { stats, decode = decodeResource } = this.#context;
    // Moved away: what comes in its place is a move of its own.
    if (!existsSync(this.#file.path)) return;
    stats.attempt.inc();
    try {
      const text = await readFile(this.#file.path, "utf8");
      // Proof: decode checks the text against this message.
      const response = (await decode(discoveryResponse, text, this.#file.path)) as {
        readonly resources?: readonly unknown[];
      };
      const members = this.#membersIn(response.resources ?? []);
      stats.success.inc();
      if (text === this.#lastGood) stats.noRebuild.inc();
      this.#lastGood = text;
      if (members === undefined) return;
      stats.membership(members);
      onMembers(members);
    } catch (error) {
      stats.rejected.inc();
      const reason = error instanceof Error ? error.message : String(error);
      this.#warn(`${this.#file.path} is refused, the last good endpoints stay: ${reason}`);
    }
  }

  /** Undefined: the file says nothing, which takes nothing away. */
  #membersIn(resources: readonly unknown[]): ClusterMembers | undefined {
    if (resources.length === 0) {
      this.#context.stats.empty.inc();
      return undefined;
    }
    if (resources.length !== 1)
      throw refuse("resources", `unexpected EDS resource length: ${resources.length}`);
    // Proof: the file was decoded as a DiscoveryResponse, whose only supported resource is this one.
    const assignment = resources[0] as ClusterLoadAssignmentJson;
    if (assignment.clusterName !== this.#file.resource) {
      throw refuse(
        "resources[0].cluster_name",
        `unexpected EDS cluster (expecting ${this.#file.resource}): ${assignment.clusterName}`,
      );
    }
    return membersOf(this.#cluster, assignment);
  }

  #warn(message: string): void {
    this.#context.log("warn", `eds: ${message}`, { cluster: this.#cluster });
  }
}
