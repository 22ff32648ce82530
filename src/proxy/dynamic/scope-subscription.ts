import type { ScopedRouteConfigurationJson } from "#gen/envoy/config/route/v3/scoped_route_pb.js";
import type { ScopedRoutesJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { Clock } from "#lib/clock.ts";
import { scopedRouteType } from "#xds/resource-type.ts";
import type { ResourceProblem, ResourceUpdate, Subscription } from "#xds/subscriber.ts";
import { SubscriptionStats } from "#xds/subscription-stats.ts";
import { scopeKeyOf } from "../route/scopes.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";
import { initialFetchTimeoutMs } from "./config-source.ts";
import type { Sources } from "./sources.ts";
import { once, type Waiter, waitForAll } from "./waits.ts";
import type { WorkerControl } from "./worker-control.ts";

export interface ScopeSubscriptionContext {
  readonly clock: Clock;
  readonly workers: WorkerControl;
  readonly sources: Sources;
  /** `http.<stat prefix>.scoped_rds.<name>.` */
  readonly stats: StatsScope;
  /** A route configuration that a scope names; returns how to end it. */
  readonly watchRoutes: (name: string, waiter: Waiter) => () => void;
}

/** All scopes of a connection manager, by SRDS, and the routes that they name. */
export class ScopeSubscription {
  readonly name: string;
  versionInfo = "";
  updatedMs = 0;
  readonly #key: string;
  readonly #context: ScopeSubscriptionContext;
  readonly #subscription: Subscription;
  readonly #scopes: Map<string, ScopedRouteConfigurationJson> = new Map();
  readonly #routes: Map<string, () => void> = new Map();
  readonly #reload: Counter;
  readonly #gauges: { readonly all: Gauge; readonly active: Gauge; readonly reloadMs: Gauge };
  readonly #waiting: (() => void)[] = [];
  readonly #timer: { cancel(): void } | undefined;
  #answered = false;
  #ready = false;

  constructor(key: string, config: ScopedRoutesJson, context: ScopeSubscriptionContext) {
    const { sources, stats, clock } = context;
    this.name = config.name ?? "";
    this.#key = key;
    this.#context = context;
    this.#reload = stats.counter("config_reload");
    this.#gauges = {
      all: stats.gauge("all_scopes"),
      active: stats.gauge("active_scopes"),
      reloadMs: stats.gauge("config_reload_time_ms"),
    };
    stats.gauge("on_demand_scopes");
    const source = config.scopedRds?.scopedRdsConfigSource ?? {};
    const subscriptionStats = new SubscriptionStats(stats);
    const timeoutMs = initialFetchTimeoutMs(source);
    if (timeoutMs !== undefined)
      this.#timer = clock.after(timeoutMs, () => {
        subscriptionStats.timedOut();
        this.#becomeReady();
      });
    this.#subscription = sources.of(source, scopedRouteType).subscribe(
      {
        type: scopedRouteType,
        apply: (update) => this.#apply(update),
        onRefused: () => this.#becomeReady(),
        stats: subscriptionStats,
      },
      "all",
    );
  }

  get scopes(): readonly ScopedRouteConfigurationJson[] {
    return [...this.#scopes.values()];
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

  /** Envoy refuses an update of scopes whole. */
  #apply({ set, removed, version }: ResourceUpdate): readonly ResourceProblem[] {
    // Proof: the source decoded them as scoped route configurations.
    const scopes = set.map(({ json }) => json as unknown as ScopedRouteConfigurationJson);
    const problem = this.#problemOf(scopes, removed);
    if (problem !== undefined) {
      this.#becomeReady();
      return [{ name: "", path: "", message: problem }];
    }
    for (const name of removed) this.#scopes.delete(name);
    for (const scope of scopes) this.#scopes.set(scope.name ?? "", scope);
    const { workers, clock } = this.#context;
    if (scopes.length + removed.length > 0) {
      workers.step({ kind: "scopes", key: this.#key, set: scopes, removed });
      this.versionInfo = version;
      this.updatedMs = clock.wallMs();
    }
    this.#watchRoutes();
    this.#reload.inc();
    this.#gauges.all.set(this.#scopes.size);
    this.#gauges.active.set(this.#scopes.size);
    this.#gauges.reloadMs.set(Math.floor(clock.wallMs()));
    return [];
  }

  #problemOf(
    scopes: readonly ScopedRouteConfigurationJson[],
    removed: readonly string[],
  ): string | undefined {
    const changed = new Set([...removed, ...scopes.map(({ name = "" }) => name)]);
    const names = new Map<string, string>();
    for (const [name, scope] of this.#scopes)
      if (!changed.has(name)) names.set(scopeKeyOf(scope), name);
    for (const scope of scopes) {
      const { name = "", routeConfigurationName = "" } = scope;
      const key = scopeKeyOf(scope);
      const first = names.get(key);
      if (first !== undefined)
        return `Error adding/updating scoped route(s): scope key conflict found, first scope is '${first}', second scope is '${name}'`;
      if (routeConfigurationName === "") return "route_configuration_name is empty.";
      names.set(key, name);
    }
    return undefined;
  }

  /** New ones first: what is left and asked for again stays. The listener waits for those of the first answer. */
  #watchRoutes(): void {
    const names = new Set(
      this.scopes.map(({ routeConfigurationName = "" }) => routeConfigurationName),
    );
    const added = [...names].filter((name) => !this.#routes.has(name));
    const gone = [...this.#routes].filter(([name]) => !names.has(name));
    const watches = added.map((name) => (waiter: Waiter) => {
      const end = this.#context.watchRoutes(name, waiter);
      this.#routes.set(name, end);
      return end;
    });
    const first = !this.#answered;
    this.#answered = true;
    this.#timer?.cancel();
    waitForAll(watches, first ? once(() => this.#becomeReady()) : () => {}).start();
    for (const [name, end] of gone) {
      this.#routes.delete(name);
      end();
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#subscription.close();
    for (const end of this.#routes.values()) end();
    this.#context.workers.step({ kind: "forget-scopes", key: this.#key });
  }
}
