import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { RouteConfigurationJson, VhdsJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { Clock } from "#lib/clock.ts";
import { ConfigError, refuse, within } from "#lib/config-error.ts";
import { virtualHostType } from "#xds/resource-type.ts";
import type { Resource } from "#xds/subscriber.ts";
import type { StatsScope } from "../stats/stats.ts";
import { sourceKey } from "./config-source.ts";
import type { NamedStatus } from "./named-resources.ts";
import type { Sources } from "./sources.ts";
import { VirtualHostSubscription } from "./virtual-host-subscription.ts";
import type { WorkerControl } from "./worker-control.ts";

export interface VirtualHostsContext {
  readonly clock: Clock;
  readonly workers: WorkerControl;
  readonly sources: Sources;
  readonly stats: StatsScope;
  /** How the bootstrap's ADS works; undefined: it has none. */
  readonly ads: "delta" | "state of the world" | undefined;
}

interface Entry {
  config: RouteConfigurationJson;
  /** What `vhds` says: another one is another subscription. */
  readonly vhds: string;
  readonly subscription: VirtualHostSubscription;
}

/** Route configurations that come by RDS, with the virtual hosts that come by VHDS. */
export class VirtualHosts {
  readonly #context: VirtualHostsContext;
  readonly #entries: Map<string, Entry> = new Map();
  /** Of the first connection manager that asks, as in Envoy. */
  readonly #scopes: Map<string, StatsScope> = new Map();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: VirtualHostsContext) {
    this.#context = context;
  }

  /** `http.<stat prefix>.` of who uses these routes. */
  countIn(scope: StatsScope, source: ConfigSourceJson, name: string): void {
    const key = keyOf(source, name);
    if (!this.#scopes.has(key)) this.#scopes.set(key, scope);
  }

  /** Throws ConfigError when a worker cannot take the routes. */
  accept({ name, json }: Resource, source: ConfigSourceJson): Promise<void> {
    // Proof: the source decoded it as a route configuration.
    const config = json as unknown as RouteConfigurationJson;
    return this.#inTurn(() => this.#accept(keyOf(source, name), config));
  }

  /** Routes and hosts may come over different streams: whoever is later has what the other brought. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #accept(key: string, config: RouteConfigurationJson): Promise<void> {
    const { vhds } = config;
    const known = this.#entries.get(key);
    if (vhds === undefined) {
      await this.#change(config);
      this.#drop(key);
      return;
    }
    this.#check(vhds);
    const text = JSON.stringify(vhds);
    if (known?.vhds === text) {
      await this.#change(known.subscription.addTo(config));
      known.config = config;
      return;
    }
    await this.#change(config);
    this.#drop(key);
    this.#entries.set(key, {
      config,
      vhds: text,
      subscription: this.#subscribe(key, config, vhds),
    });
  }

  #subscribe(
    key: string,
    { name = "" }: RouteConfigurationJson,
    { configSource = {} }: VhdsJson,
  ): VirtualHostSubscription {
    const { stats, clock, sources } = this.#context;
    const scope = (this.#scopes.get(key) ?? stats).scope(`rds.vhds.${name}.`);
    return new VirtualHostSubscription(name, configSource, {
      clock,
      sources,
      stats: scope,
      apply: (add) =>
        this.#inTurn(async () => {
          const entry = this.#entries.get(key);
          if (entry !== undefined) await this.#change(add(entry.config));
        }),
    });
  }

  async #change(config: RouteConfigurationJson): Promise<void> {
    const [refused] = await this.#context.workers.change([{ kind: "routes", config }]);
    if (refused !== undefined) throw new ConfigError(refused.problems);
  }

  #check({ configSource = {} }: VhdsJson): void {
    const { ads, sources } = this.#context;
    if (configSource.ads !== undefined) {
      if (ads === undefined)
        throw refuse(
          "vhds",
          "vhds: ADS config source specified but no ADS configured in bootstrap.",
        );
      if (ads !== "delta")
        throw refuse(
          "vhds",
          "vhds: ADS must use DELTA_GRPC api_type when used as VHDS config source.",
        );
    } else if (configSource.apiConfigSource?.apiType !== "DELTA_GRPC")
      throw refuse(
        "vhds",
        "vhds: only 'DELTA_GRPC' or 'ADS' (which uses Delta xDS) is supported as a config source.",
      );
    within("vhds.config_source", () => sources.check(configSource, virtualHostType));
  }

  /** The hosts of these routes have come, or do not in time. */
  whenReady(source: ConfigSourceJson, name: string, callback: () => void): void {
    const entry = this.#entries.get(keyOf(source, name));
    if (entry === undefined) callback();
    else entry.subscription.whenReady(callback);
  }

  #drop(key: string): void {
    this.#entries.get(key)?.subscription.close();
    this.#entries.delete(key);
  }

  /** Nobody asks for these routes any more. */
  forget(name: string, source: ConfigSourceJson): void {
    const key = keyOf(source, name);
    this.#drop(key);
    this.#scopes.delete(key);
  }

  /** As they are in use, for /config_dump. */
  whole(status: NamedStatus): NamedStatus {
    const entry = [...this.#entries.values()].find(({ config }) => config.name === status.name);
    if (entry === undefined) return status;
    return { ...status, json: entry.subscription.addTo(entry.config) };
  }
}

function keyOf(source: ConfigSourceJson, name: string): string {
  return `${sourceKey(source)} ${name}`;
}
