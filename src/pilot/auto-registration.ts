/** Workloads that register themselves: a proxy that connects becomes a WorkloadEntry of its group, and is none soon after it is gone. */
import type { Clock } from "#lib/clock.ts";
import type { ProxyNode } from "#model/node.ts";
import type { ConfigObject } from "#model/object.ts";
import type { Mesh } from "./mesh.ts";
import { proxyAnnotation } from "./registries/service-entry/workload-entry.ts";
import { EntryStore } from "./registries/workloads/entry-store.ts";
import {
  entryName,
  entryOf,
  groupNameOf,
  savedHealth,
  type WorkloadGroup,
  type WorkloadHealth,
} from "./registries/workloads/registered-entry.ts";

import type { ConfigStore } from "./stores/store.ts";

export interface AutoRegistrationOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  /** Which Pilot this is, for people who read the WorkloadEntry. */
  readonly controller: string;
  /** A workload stays for so long after its last stream has ended (PILOT_WORKLOAD_ENTRY_GRACE_PERIOD); 10 s by default. */
  readonly graceMs?: number;
  /** More are refused; 100,000 by default. */
  readonly workloadsMax?: number;
  /** Outlives this Pilot: the next one keeps the workloads of before for the grace period, in which their proxies come back. */
  readonly saved?: ConfigStore | undefined;
  log(level: "info" | "warning", message: string): void;
}

/** One stream of a proxy that is registered, or waits for its group. */
export interface Registration {
  /** What the agent says of the program (istio.v1.HealthInformation). */
  reportHealth(health: { readonly healthy: boolean; readonly errMessage?: string }): void;
  /** The stream has ended. */
  disconnect(): void;
}

export interface RegistrationCounts {
  /** Registered now. */
  readonly workloads: number;
  /** Connected, but their group does not exist. */
  readonly waiting: number;
  readonly registered: number;
  readonly unregistered: number;
  /** Over the limit. */
  readonly refused: number;
}

interface Workload {
  readonly name: string;
  readonly groupName: string;
  node: ProxyNode;
  readonly streams: Set<object>;
  connectedMs: number;
  disconnectedMs: number | undefined;
  health: WorkloadHealth | undefined;
  draining: boolean;
  leaving: { cancel(): void } | undefined;
  entry: ConfigObject | undefined;
}

export class AutoRegistration {
  readonly #options: AutoRegistrationOptions;
  readonly #store: EntryStore;
  /** By `namespace/name` of the WorkloadEntry. */
  readonly #workloads: Map<string, Workload> = new Map();
  readonly #counts = { registered: 0, unregistered: 0, refused: 0 };
  #stops: (() => void)[] = [];

  constructor(options: AutoRegistrationOptions) {
    this.#options = options;
    this.#store = new EntryStore(options.saved);
  }

  /** What people may read. */
  get entries(): Pick<ConfigStore, "list" | "get"> {
    return this.#store;
  }

  /** After the stores: an object that somebody wrote goes before one of the same name that is made here. */
  start(): void {
    const { mesh } = this.#options;
    this.#stops = [
      mesh.follow(this.#store),
      mesh.watchObjects("WorkloadGroup", (groups) => this.#onGroups(groups)),
    ];
    for (const entry of this.#store.list()) this.#expect(entry);
  }

  /** Nobody has come for an entry of before: it is gone after the time that a lost proxy has. */
  #expect(entry: ConfigObject): void {
    const { clock, graceMs = 10_000 } = this.#options;
    const key = `${entry.metadata.namespace}/${entry.metadata.name}`;
    const timer = clock.after(graceMs, () => {
      if (!this.#workloads.has(key)) this.#store.delete(entry);
    });
    this.#stops.push(() => timer.cancel());
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    for (const { leaving } of this.#workloads.values()) leaving?.cancel();
    this.#workloads.clear();
  }

  get counts(): RegistrationCounts {
    const waiting = [...this.#workloads.values()].filter(({ entry }) => entry === undefined).length;
    return { workloads: this.#workloads.size - waiting, waiting, ...this.#counts };
  }

  /** A stream of a proxy has begun. Undefined: it does not ask to be registered, or cannot be. */
  connect(node: ProxyNode): Registration | undefined {
    const groupName = groupNameOf(node);
    if (groupName === undefined) return undefined;
    const name = entryName(groupName, node);
    const key = `${node.namespace}/${name}`;
    const workload = this.#workloads.get(key) ?? this.#admit(key, { name, groupName, node });
    if (workload === undefined) return undefined;
    const stream = {};
    this.#join(workload, node, stream);
    return {
      reportHealth: ({ healthy, errMessage = "" }) =>
        this.#onHealth(workload, { healthy, message: errMessage }),
      disconnect: () => this.#leave(key, workload, stream),
    };
  }

  /**
   * The proxy's program is about to end: callers send nothing new, and the workload is gone with its last stream. False: the proxy is not
   * registered.
   */
  drain(nodeId: string): boolean {
    const workload = this.#of(nodeId);
    if (workload === undefined) return false;
    if (!workload.draining) {
      workload.draining = true;
      this.#write(workload);
    }
    return true;
  }

  /** What somebody beside the program says of it. False: the proxy is not registered. */
  reportHealth(nodeId: string, healthy: boolean): boolean {
    const workload = this.#of(nodeId);
    if (workload !== undefined) this.#onHealth(workload, { healthy, message: "" });
    return workload !== undefined;
  }

  #of(nodeId: string): Workload | undefined {
    return this.#workloads.values().find(({ node }) => node.id === nodeId);
  }

  #admit(
    key: string,
    { name, groupName, node }: Pick<Workload, "name" | "groupName" | "node">,
  ): Workload | undefined {
    const { workloadsMax = 100_000, clock, log } = this.#options;
    if (this.#workloads.size >= workloadsMax) {
      this.#counts.refused++;
      log("warning", `${node.id} is not registered: there are ${workloadsMax} workloads already`);
      return undefined;
    }
    const workload: Workload = {
      name,
      groupName,
      node,
      streams: new Set(),
      connectedMs: clock.wallMs(),
      disconnectedMs: undefined,
      ...this.#before(key, node),
      draining: false,
      leaving: undefined,
    };
    this.#workloads.set(key, workload);
    return workload;
  }

  /** What the Pilot before this one knew of the same proxy. */
  #before(key: string, node: ProxyNode): Pick<Workload, "entry" | "health"> {
    const entry = this.#store.get(`WorkloadEntry/${key}`);
    if (entry === undefined || entry.metadata.annotations[proxyAnnotation] !== node.id)
      return { entry: undefined, health: undefined };
    return { entry, health: savedHealth(entry.status) };
  }

  #join(workload: Workload, node: ProxyNode, stream: object): void {
    const returned = workload.disconnectedMs !== undefined;
    const another = workload.node.id !== node.id;
    workload.leaving?.cancel();
    workload.leaving = undefined;
    workload.streams.add(stream);
    workload.disconnectedMs = undefined;
    workload.node = node;
    if (returned || another) {
      workload.connectedMs = this.#options.clock.wallMs();
      workload.draining = false;
      // A program that was started again says itself how it is.
      if (another) workload.health = undefined;
    }
    // The first stream of a workload of before finds its entry, written by another Pilot.
    if (workload.entry === undefined || returned || another || workload.streams.size === 1)
      this.#write(workload);
  }

  #leave(key: string, workload: Workload, stream: object): void {
    if (!workload.streams.delete(stream) || workload.streams.size > 0) return;
    const { clock, graceMs = 10_000 } = this.#options;
    workload.disconnectedMs = clock.wallMs();
    if (workload.draining || workload.entry === undefined) {
      this.#remove(key, workload);
      return;
    }
    this.#write(workload);
    workload.leaving = clock.after(graceMs, () => this.#remove(key, workload));
  }

  #remove(key: string, workload: Workload): void {
    this.#workloads.delete(key);
    if (workload.entry !== undefined) {
      this.#counts.unregistered++;
      this.#options.log("info", `workload ${key} is gone`);
      this.#store.delete(workload.entry);
    }
  }

  #onHealth(workload: Workload, { healthy, message }: Omit<WorkloadHealth, "sinceMs">): void {
    if (workload.health?.healthy === healthy) return;
    workload.health = { healthy, message, sinceMs: this.#options.clock.wallMs() };
    this.#write(workload);
  }

  /** Groups that came, went or are others now. */
  #onGroups(groups: readonly string[]): void {
    const changed = new Set(groups);
    for (const workload of this.#workloads.values()) {
      if (changed.has(`${workload.node.namespace}/${workload.groupName}`)) this.#write(workload);
    }
  }

  #write(workload: Workload): void {
    const { name, groupName, node } = workload;
    const { mesh, controller, log } = this.#options;
    const group: WorkloadGroup | undefined = mesh.object(
      "WorkloadGroup",
      node.namespace,
      groupName,
    );
    if (group === undefined) {
      // An entry that is there stays as it was: the group of a running workload may only be on its way from one file to another.
      if (workload.entry === undefined) {
        const where = `${node.namespace}/${groupName}`;
        log("warning", `${node.id} waits to be registered: there is no WorkloadGroup ${where}`);
      }
      return;
    }
    if (workload.entry === undefined) {
      this.#counts.registered++;
      log("info", `workload ${node.namespace}/${name} is registered for ${node.id}`);
    }
    workload.entry = entryOf({ name, node, group, status: workload, controller });
    this.#store.set(workload.entry);
  }
}
