import { isDeepStrictEqual } from "node:util";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { Clock } from "#lib/clock.ts";
import { listenerType, type ResourceType } from "#xds/resource-type.ts";
import type { Resource, ResourceProblem, ResourceUpdate, Subscriber } from "#xds/subscriber.ts";
import { Count } from "../overload/connection-counts.ts";
import type { Services } from "../services.ts";
import { SharedSlots } from "../shared-slots.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";
import type { ConfigChange } from "../worker-protocol.ts";
import { refusedChanges } from "./check-sources.ts";
import type { ExtensionWatches } from "./extension-watches.ts";
import type { RouteWatches } from "./route-watches.ts";
import type { SecretWatches } from "./secret-watches.ts";
import type { Sources } from "./sources.ts";
import { DynamicStatus } from "./status.ts";
import type { WorkerControl } from "./worker-control.ts";

export interface DynamicListenersContext {
  readonly clock: Clock;
  readonly workers: WorkerControl;
  readonly sources: Sources;
  readonly routes: RouteWatches;
  readonly secrets: SecretWatches;
  readonly extensions: ExtensionWatches;
  readonly stats: StatsScope;
  readonly log: Services["log"];
  /** Those of the bootstrap: a control plane does not change them. */
  readonly staticNames: ReadonlySet<string>;
}

interface Entry {
  readonly config: ListenerJson;
  readonly version: string;
  endWatches: () => void;
}

/** Listeners that come by LDS: compiled by the workers, in use when their routes and secrets are there. */
export class DynamicListeners implements Subscriber {
  readonly type: ResourceType = listenerType;
  readonly status: DynamicStatus<ListenerJson>;
  readonly #context: DynamicListenersContext;
  readonly #active: Map<string, Entry> = new Map();
  readonly #warming: Map<string, Entry> = new Map();
  readonly #whenWarm: (() => void)[] = [];
  readonly #counters: Readonly<Record<"added" | "modified" | "removed" | "failed", Counter>>;
  readonly #gauges: { readonly active: Gauge; readonly warming: Gauge };

  constructor(context: DynamicListenersContext) {
    this.#context = context;
    this.status = new DynamicStatus(context.clock);
    const scope = context.stats.scope("listener_manager.");
    this.#counters = {
      added: scope.counter("listener_added"),
      modified: scope.counter("listener_modified"),
      removed: scope.counter("listener_removed"),
      failed: scope.counter("listener_create_failure"),
    };
    this.#gauges = {
      active: scope.gauge("total_listeners_active"),
      warming: scope.gauge("total_listeners_warming"),
    };
  }

  async apply({ version, set, removed }: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    this.status.versionInfo = version;
    // Addresses of listeners that go may be those of listeners that come.
    for (const name of removed) this.#remove(name);
    const changed = set.filter((resource) => this.#isNew(resource));
    const changes = changed.map((resource) => this.#changeOf(resource));
    const refused = await refusedChanges(changes, this.#context);
    const problems: ResourceProblem[] = [];
    for (const [index, { name, version: own, json }] of changed.entries()) {
      const message = refused.get(index);
      // Proof: the source decoded them as listeners.
      const config = json as unknown as ListenerJson;
      if (message === undefined) this.#warm(name, own, config);
      else {
        problems.push({ name, path: "", message });
        this.#counters.failed.inc();
        this.status.refused(name, { version: own, config, message });
      }
    }
    this.#count();
    return problems;
  }

  #isNew({ name, json }: Resource): boolean {
    if (this.#context.staticNames.has(name)) return false;
    const newest = this.#warming.get(name) ?? this.#active.get(name);
    const same = isDeepStrictEqual(newest?.config, json);
    if (same) this.status.same(name);
    return !same;
  }

  #changeOf({ json }: Resource): ConfigChange {
    // Proof: the source decoded them as listeners.
    const config = json as unknown as ListenerJson;
    const { extensions, workers } = this.#context;
    const shared = [config, ...extensions.known(config)];
    return {
      kind: "listener",
      config,
      count: Count.allocate(),
      slots: workers.threads ? SharedSlots.allocate(shared) : undefined,
    };
  }

  #warm(name: string, version: string, config: ListenerJson): void {
    this.#warming.get(name)?.endWatches();
    this.status.warming(name, { version, config });
    const entry: Entry = { config, version, endWatches: () => {} };
    this.#warming.set(name, entry);
    let waitsFor = 3;
    const ready = (): void => {
      if (--waitsFor === 0 && this.#warming.get(name) === entry) void this.#activate(name, entry);
    };
    const secrets = this.#context.secrets.watchAll(config, ready);
    const routes = this.#context.routes.watchAll(config, ready);
    const extensions = this.#context.extensions.watchAll(config, ready);
    const waits = [secrets, routes, extensions];
    entry.endWatches = () => {
      for (const wait of waits) wait.end();
    };
    for (const wait of waits) wait.start();
  }

  async #activate(name: string, entry: Entry): Promise<void> {
    this.#warming.delete(name);
    const before = this.#active.get(name);
    this.#active.set(name, entry);
    this.#counters[before === undefined ? "added" : "modified"].inc();
    this.status.active(name);
    this.#count();
    const problem = await this.#context.workers.activateListener(name);
    before?.endWatches();
    if (problem !== undefined) {
      this.#counters.failed.inc();
      this.#context.log("error", problem, { listener: name });
      this.status.refused(name, { ...entry, message: problem });
    }
    this.#checkWarm();
  }

  #remove(name: string): void {
    const entries = [this.#warming.get(name), this.#active.get(name)];
    if (entries.every((entry) => entry === undefined)) return;
    this.#warming.delete(name);
    this.#active.delete(name);
    this.#context.workers.removeListener(name);
    for (const entry of entries) entry?.endWatches();
    this.#counters.removed.inc();
    this.status.remove(name);
    this.#checkWarm();
  }

  #count(): void {
    this.#gauges.warming.set(this.#warming.size);
    this.#gauges.active.set(this.#context.staticNames.size + this.#active.size);
  }

  #checkWarm(): void {
    if (this.#warming.size > 0) return;
    for (const callback of this.#whenWarm.splice(0)) callback();
  }

  /** Resolves when no listener waits for anything. */
  warm(): Promise<void> {
    if (this.#warming.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenWarm.push(resolve));
  }
}
