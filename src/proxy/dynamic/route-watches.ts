import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type {
  RdsJson,
  ScopedRoutesJson,
} from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { scopesKey } from "../route/scoped-routes.ts";
import type { StatsScope } from "../stats/stats.ts";
import { having } from "../tls/secret-configs.ts";
import type { NamedResources } from "./named-resources.ts";
import { ScopeSubscription, type ScopeSubscriptionContext } from "./scope-subscription.ts";
import type { VirtualHosts } from "./virtual-hosts.ts";
import { type Waiter, type Waits, waitForAll } from "./waits.ts";

export interface RouteWatchesContext extends Omit<ScopeSubscriptionContext, "watchRoutes"> {
  readonly routes: NamedResources<RouteConfigurationJson>;
  readonly virtualHosts: VirtualHosts;
}

interface Manager {
  readonly statPrefix?: string;
  readonly rds?: RdsJson;
  readonly scopedRoutes?: ScopedRoutesJson;
}

/** The routes that connection managers wait for, by RDS and SRDS. */
export class RouteWatches {
  readonly #context: RouteWatchesContext;
  readonly #scopes: Map<string, { readonly subscription: ScopeSubscription; users: number }> =
    new Map();

  constructor(context: RouteWatchesContext) {
    this.#context = context;
  }

  /** `onReady` is called once, after `start`, when the routes that it names are there or do not come. */
  watchAll(config: object, onReady: () => void): Waits {
    // Proof: only HttpConnectionManager has fields of these names.
    const managers = [
      ...having(config, "rds"),
      ...having(config, "scopedRoutes"),
    ] as readonly Manager[];
    const watches = managers.flatMap(({ statPrefix = "", rds, scopedRoutes }) => {
      const scope = this.#context.stats.scope(`http.${statPrefix}.`);
      if (rds !== undefined) {
        const { routeConfigName = "", configSource = {} } = rds;
        return [(waiter: Waiter) => this.#watch(configSource, routeConfigName, { scope, waiter })];
      }
      // Those that stand in the listener itself bring their routes with them.
      if (scopedRoutes?.scopedRds === undefined) return [];
      return [(waiter: Waiter) => this.#watchScopes(scopedRoutes, statPrefix, { scope, waiter })];
    });
    return waitForAll(watches, onReady);
  }

  #watch(
    source: ConfigSourceJson,
    name: string,
    { scope: manager, waiter }: { readonly scope: StatsScope; readonly waiter: Waiter },
  ): () => void {
    const { virtualHosts } = this.#context;
    virtualHosts.countIn(manager, source, name);
    const scope = manager.scope(`rds.${name}.`);
    const counters = [scope.counter("update_success"), scope.counter("config_reload")];
    return this.#context.routes.watch(source, name, {
      onResource: () => {
        for (const counter of counters) counter.inc();
        virtualHosts.whenReady(source, name, () => waiter.onResource());
      },
      onNone: () => waiter.onTimeout(),
      onTimeout: () => {
        scope.counter("init_fetch_timeout").inc();
        waiter.onTimeout();
      },
    });
  }

  #watchScopes(
    config: ScopedRoutesJson,
    statPrefix: string,
    { scope, waiter }: { readonly scope: StatsScope; readonly waiter: Waiter },
  ): () => void {
    const key = scopesKey(statPrefix, config);
    let known = this.#scopes.get(key);
    if (known === undefined) {
      const stats = scope.scope(`scoped_rds.${config.name ?? ""}.`);
      const watchRoutes = (name: string, inner: Waiter): (() => void) =>
        this.#watch(config.rdsConfigSource ?? {}, name, { scope, waiter: inner });
      const context = { ...this.#context, stats, watchRoutes };
      known = { subscription: new ScopeSubscription(key, config, context), users: 0 };
      this.#scopes.set(key, known);
    }
    const used = known;
    used.users++;
    used.subscription.whenReady(() => waiter.onResource());
    return () => {
      if (--used.users > 0) return;
      this.#scopes.delete(key);
      used.subscription.close();
    };
  }

  /** For /config_dump. */
  scopes(): readonly ScopeSubscription[] {
    return [...this.#scopes.values()].map(({ subscription }) => subscription);
  }
}
