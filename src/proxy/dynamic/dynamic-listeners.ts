import { isDeepStrictEqual } from "node:util";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { Clock } from "#lib/clock.ts";
import { listenerType, type ResourceType } from "#xds/resource-type.ts";
import type { Resource, ResourceProblem, ResourceUpdate, Subscriber } from "#xds/subscriber.ts";
import { fixedAddresses } from "../listener/compile.ts";
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
import { Turns } from "./waits.ts";
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
  readonly staticListeners: readonly ListenerJson[];
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
  readonly #staticNames: ReadonlySet<string>;
  readonly #active: Map<string, Entry> = new Map();
  readonly #warming: Map<string, Entry> = new Map();
  /** Of those that warm the ones that wait for nothing any more but their turn. */
  readonly #ready: Map<string, Entry> = new Map();
  /** Workers know a listener by its name only: while they take another one, none is put in use. */
  readonly #turns: Turns = new Turns();
  readonly #whenWarm: (() => void)[] = [];
  readonly #counters: Readonly<Record<"added" | "modified" | "removed" | "failed", Counter>>;
  readonly #gauges: { readonly active: Gauge; readonly warming: Gauge };

  constructor(context: DynamicListenersContext) {
    this.#context = context;
    this.#staticNames = new Set(context.staticListeners.map(({ name = "" }) => name));
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

  apply(update: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    return this.#turns.take(() => this.#apply(update));
  }

  async #apply({ version, set, removed }: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    this.status.versionInfo = version;
    // Addresses of listeners that go may be those of listeners that come.
    for (const name of removed) this.#remove(name);
    const { changed, problems } = this.#withoutDuplicates(
      set.filter((resource) => this.#isNew(resource)),
    );
    const changes = changed.map((resource) => this.#changeOf(resource));
    const refused = await refusedChanges(changes, this.#context);
    for (const [index, resource] of changed.entries()) {
      const message = refused.get(index);
      if (message === undefined) this.#warm(resource);
      else problems.push(this.#refuse(resource, message));
    }
    // Those that wait for nothing: the control plane is to know whether they can listen.
    const sent = new Set(changed.map(({ name }) => name));
    problems.push(...(await this.#activateReady()).filter(({ name }) => sent.has(name)));
    this.#count();
    return problems;
  }

  #refuse({ name, version, json }: Resource, message: string): ResourceProblem {
    this.#counters.failed.inc();
    // Proof: the source decoded it as a listener.
    this.status.refused(name, { version, config: json as unknown as ListenerJson, message });
    return { name, path: "", message };
  }

  /** Two listeners of one address would share its connections by chance. */
  #withoutDuplicates(resources: readonly Resource[]): {
    readonly changed: readonly Resource[];
    readonly problems: ResourceProblem[];
  } {
    const problems: ResourceProblem[] = [];
    if (resources.length === 0) return { changed: resources, problems };
    const sent = new Set(resources.map(({ name }) => name));
    const taken = new Set<string>(this.#context.staticListeners.flatMap(fixedAddresses));
    for (const [name, { config }] of [...this.#active, ...this.#warming])
      if (!sent.has(name)) for (const address of fixedAddresses(config)) taken.add(address);
    const changed = resources.filter((resource) => {
      // Proof: the source decoded it as a listener.
      const addresses = fixedAddresses(resource.json as unknown as ListenerJson);
      if (addresses.some((address) => taken.has(address))) {
        problems.push(this.#refuse(resource, duplicate(resource.name, addresses)));
        return false;
      }
      for (const address of addresses) taken.add(address);
      return true;
    });
    return { changed, problems };
  }

  #isNew({ name, json }: Resource): boolean {
    if (this.#staticNames.has(name)) return false;
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

  #warm({ name, version, json }: Resource): void {
    // Proof: the source decoded it as a listener.
    const config = json as unknown as ListenerJson;
    this.#warming.get(name)?.endWatches();
    this.status.warming(name, { version, config });
    const entry: Entry = { config, version, endWatches: () => {} };
    this.#warming.set(name, entry);
    let waitsFor = 3;
    const ready = (): void => {
      if (--waitsFor > 0 || this.#warming.get(name) !== entry) return;
      this.#ready.set(name, entry);
      void this.#turns.take(() => this.#activateReady());
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

  /** Returns those that cannot listen. */
  async #activateReady(): Promise<readonly ResourceProblem[]> {
    const problems: ResourceProblem[] = [];
    for (const [name, entry] of this.#ready) {
      this.#ready.delete(name);
      // Another one of its name may have come.
      if (this.#warming.get(name) !== entry) continue;
      const message = await this.#context.workers.activateListener(name);
      this.#warming.delete(name);
      if (message === undefined) this.#activated(name, entry);
      else problems.push(this.#failed(name, entry, message));
      this.#count();
    }
    this.#checkWarm();
    return problems;
  }

  #activated(name: string, entry: Entry): void {
    const before = this.#active.get(name);
    this.#active.set(name, entry);
    this.#counters[before === undefined ? "added" : "modified"].inc();
    this.status.active(name);
    before?.endWatches();
  }

  /** What was there before serves on. */
  #failed(name: string, entry: Entry, message: string): ResourceProblem {
    entry.endWatches();
    this.#counters.failed.inc();
    this.#context.log("error", message, { listener: name });
    this.status.failed(name, { ...entry, message });
    return { name, path: "", message };
  }

  #remove(name: string): void {
    const entries = [this.#warming.get(name), this.#active.get(name)];
    this.status.remove(name);
    if (entries.every((entry) => entry === undefined)) return;
    this.#warming.delete(name);
    this.#active.delete(name);
    this.#context.workers.removeListener(name);
    for (const entry of entries) entry?.endWatches();
    this.#counters.removed.inc();
    this.#checkWarm();
  }

  #count(): void {
    this.#gauges.warming.set(this.#warming.size);
    this.#gauges.active.set(this.#staticNames.size + this.#active.size);
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

/** In Envoy's words. */
function duplicate(name: string, addresses: readonly string[]): string {
  return `error adding listener: '${name}' has duplicate address '${addresses.join(",")}' as existing listener, to check if the listener has duplicated addresses with other listeners or 'enable_reuse_port' is set to 'false' for the listener`;
}
