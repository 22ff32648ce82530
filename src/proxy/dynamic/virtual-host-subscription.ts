import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { Clock } from "#lib/clock.ts";
import { ConfigError } from "#lib/config-error.ts";
import { virtualHostType } from "#xds/resource-type.ts";
import type { ResourceProblem, ResourceUpdate, Subscription } from "#xds/subscriber.ts";
import { SubscriptionStats } from "#xds/subscription-stats.ts";
import type { Counter, StatsScope } from "../stats/stats.ts";
import { initialFetchTimeoutMs } from "./config-source.ts";
import type { Sources } from "./sources.ts";

export interface VirtualHostSubscriptionContext {
  readonly clock: Clock;
  readonly sources: Sources;
  /** `http.<stat prefix>.rds.vhds.<route configuration>.` */
  readonly stats: StatsScope;
  /** Puts the routes that `add` makes in use. Rejects with ConfigError. */
  readonly apply: (
    add: (config: RouteConfigurationJson) => RouteConfigurationJson,
  ) => Promise<void>;
}

type Hosts = ReadonlyMap<string, VirtualHostJson>;

/** The virtual hosts of one route configuration, by VHDS: those called `<route configuration>/<virtual host>`. */
export class VirtualHostSubscription {
  readonly #name: string;
  readonly #context: VirtualHostSubscriptionContext;
  readonly #reload: Counter;
  readonly #subscription: Subscription;
  readonly #timer: { cancel(): void } | undefined;
  readonly #waiting: (() => void)[] = [];
  #hosts: Hosts = new Map();
  #ready = false;

  constructor(name: string, source: ConfigSourceJson, context: VirtualHostSubscriptionContext) {
    const { sources, clock } = context;
    this.#name = name;
    this.#context = context;
    this.#reload = context.stats.counter("config_reload");
    const stats = new SubscriptionStats(context.stats);
    const timeoutMs = initialFetchTimeoutMs(source);
    if (timeoutMs !== undefined)
      this.#timer = clock.after(timeoutMs, () => {
        stats.timedOut();
        this.#becomeReady();
      });
    // As Envoy asks: for all there are. The server may send those of other route configurations too.
    this.#subscription = sources.of(source, virtualHostType).subscribe(
      {
        type: virtualHostType,
        apply: (update) => this.#apply(update),
        onRefused: () => this.#becomeReady(),
        stats,
      },
      "all",
    );
  }

  addTo(config: RouteConfigurationJson, hosts: Hosts = this.#hosts): RouteConfigurationJson {
    return { ...config, virtualHosts: [...(config.virtualHosts ?? []), ...hosts.values()] };
  }

  /** The first answer was taken or refused, or has not come in time. */
  whenReady(callback: () => void): void {
    if (this.#ready) callback();
    else this.#waiting.push(callback);
  }

  #becomeReady(): void {
    this.#timer?.cancel();
    this.#ready = true;
    for (const callback of this.#waiting.splice(0)) callback();
  }

  #isOurs(name: string): boolean {
    return name.slice(0, Math.max(0, name.lastIndexOf("/"))) === this.#name;
  }

  /** As in Envoy, all that an update brings is taken or none. */
  async #apply({ set, removed }: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    const added = set.filter(({ name }) => this.#isOurs(name));
    const gone = removed.filter((name) => this.#hosts.has(name));
    if (added.length + gone.length > 0) {
      const hosts = new Map(this.#hosts);
      for (const name of gone) hosts.delete(name);
      // Proof: the source decoded them as virtual hosts.
      for (const { name, json } of added) hosts.set(name, json as unknown as VirtualHostJson);
      try {
        await this.#context.apply((config) => this.addTo(config, hosts));
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        this.#becomeReady();
        const { message } = error;
        return added.map(({ name }) => ({ name, path: "", message }));
      }
      this.#hosts = hosts;
      this.#reload.inc();
    }
    this.#becomeReady();
    return [];
  }

  close(): void {
    this.#timer?.cancel();
    this.#subscription.close();
    this.#becomeReady();
  }
}
