import type {
  ConfigSourceJson,
  ExtensionConfigSourceJson,
} from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import type { Clock } from "#lib/clock.ts";
import { ConfigError } from "#lib/config-error.ts";
import { extensionType } from "#xds/resource-type.ts";
import type { Resource } from "#xds/subscriber.ts";
import { SubscriptionStats } from "#xds/subscription-stats.ts";
import { extensionKey, extensionStats } from "../filters/extension-configs.ts";
import { SharedSlots } from "../shared-slots.ts";
import type { Counter, StatsScope } from "../stats/stats.ts";
import { having } from "../tls/secret-configs.ts";
import { NamedResources, type NamedStatus } from "./named-resources.ts";
import type { Sources } from "./sources.ts";
import { type Waiter, type Waits, waitForAll } from "./waits.ts";
import type { WorkerControl } from "./worker-control.ts";

export interface ExtensionWatchesContext {
  readonly clock: Clock;
  readonly workers: WorkerControl;
  readonly sources: Sources;
  readonly stats: StatsScope;
}

interface DiscoveredFilter {
  readonly name?: string;
  readonly configDiscovery: ExtensionConfigSourceJson;
}

interface Use {
  readonly stats: SubscriptionStats;
  readonly reload: Counter;
  readonly fail: Counter;
  users: number;
}

/** Filters of listeners whose configuration comes by ECDS. */
export class ExtensionWatches {
  readonly #context: ExtensionWatchesContext;
  readonly #resources: NamedResources<TypedExtensionConfigJson>;
  readonly #uses: Map<string, Use> = new Map();
  /** Some filter has asked: /config_dump has a section for them then. */
  asked = false;

  constructor(context: ExtensionWatchesContext) {
    const { sources, clock, workers } = context;
    this.#context = context;
    this.#resources = new NamedResources(extensionType, {
      sources,
      clock,
      accept: (resource, source) => this.#accept(resource, source),
      refused: (name, configSource) => {
        const { stats, fail } = this.#use(name, { configSource });
        fail.inc();
        stats.rejected();
      },
      removed: (name, configSource) => {
        workers.step({ kind: "forget-extension", key: extensionKey(name, { configSource }) });
        this.#use(name, { configSource }).reload.inc();
      },
      forget: (name, configSource) => {
        const key = extensionKey(name, { configSource });
        workers.step({ kind: "forget-extension", key });
        this.#uses.delete(key);
      },
    });
  }

  async #accept({ name, version, json }: Resource, configSource: ConfigSourceJson): Promise<void> {
    const { clock, workers } = this.#context;
    // Proof: the source decoded it as a TypedExtensionConfig.
    const config = json as unknown as TypedExtensionConfigJson;
    const { stats, reload, users } = this.#use(name, { configSource });
    const startedMs = clock.monotonicMs();
    const [refused] = await workers.change([
      {
        kind: "extension",
        key: extensionKey(name, { configSource }),
        config,
        slots: workers.threads ? SharedSlots.allocate(Array(users).fill(config)) : undefined,
      },
    ]);
    if (refused !== undefined) throw new ConfigError(refused.problems);
    reload.inc();
    const durationMs = clock.monotonicMs() - startedMs;
    stats.succeeded({ version, wallMs: clock.wallMs(), durationMs });
  }

  #use(name: string, discovery: ExtensionConfigSourceJson): Use {
    const key = extensionKey(name, discovery);
    const known = this.#uses.get(key);
    if (known !== undefined) return known;
    const scope = this.#context.stats.scope(extensionStats(name));
    const use: Use = {
      stats: new SubscriptionStats(scope),
      reload: scope.counter("config_reload"),
      fail: scope.counter("config_fail"),
      users: 0,
    };
    scope.counter("config_conflict");
    this.#uses.set(key, use);
    return use;
  }

  /** `onReady` is called once, after `start`, when all that the listener waits for are there or do not come. */
  watchAll(config: object, onReady: () => void): Waits {
    // Proof: of all messages that may have a field of that name, filters of a connection manager are supported.
    const filters = [...having(config, "configDiscovery")] as readonly DiscoveredFilter[];
    const watches = filters.map(({ name = "", configDiscovery }) => (waiter: Waiter) => {
      const end = this.#watch(name, configDiscovery, waiter);
      if (configDiscovery.applyDefaultConfigWithoutWarming === true) waiter.onResource();
      return end;
    });
    return waitForAll(watches, onReady);
  }

  #watch(name: string, discovery: ExtensionConfigSourceJson, waiter: Waiter): () => void {
    this.asked = true;
    const use = this.#use(name, discovery);
    if (use.users++ === 0) use.stats.attempted();
    const end = this.#resources.watch(discovery.configSource ?? {}, name, {
      onResource: () => waiter.onResource(),
      onNone: () => waiter.onTimeout(),
      onTimeout: () => {
        use.stats.timedOut();
        use.fail.inc();
        waiter.onTimeout();
      },
    });
    return () => {
      use.users--;
      end();
    };
  }

  /** What those configurations count together that a listener finds already there. */
  known(config: object): readonly object[] {
    // Proof: as above.
    const filters = [...having(config, "configDiscovery")] as readonly DiscoveredFilter[];
    const { length } = filters;
    if (length === 0) return [];
    const names = new Set(filters.map(({ name = "" }) => name));
    const known = this.status().filter(({ name }) => names.has(name));
    // Proof: each was decoded as a message.
    return known.flatMap(({ json }) => Array<object>(length).fill(json as object));
  }

  status(): readonly NamedStatus[] {
    return this.#resources.status();
  }
}
