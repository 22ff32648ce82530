import type { ScopedRouteConfigurationJson } from "#gen/envoy/config/route/v3/scoped_route_pb.js";
import type { ScopedRoutesJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";

export interface ScopesUpdate {
  readonly set: readonly ScopedRouteConfigurationJson[];
  readonly removed: readonly string[];
}

/** A connection manager with scopes that come by SRDS. */
export type ScopesUser = (update: ScopesUpdate) => void;

/** Where connection managers ask for scopes. */
export interface ScopesSource {
  /** `user` gets the scopes now, if they are there, and what changes; returns how to end it. */
  use(key: string, user: ScopesUser): () => void;
}

/** The same for connection managers that share a subscription, as in Envoy. */
export function scopesKey(statPrefix: string, config: ScopedRoutesJson): string {
  const { name, rdsConfigSource, scopedRds } = config;
  return JSON.stringify([statPrefix, name, scopedRds, rdsConfigSource]);
}

/** A worker's scopes of each subscription, and who uses them. */
export class ScopedRoutes implements ScopesSource {
  readonly #scopes: Map<string, Map<string, ScopedRouteConfigurationJson>> = new Map();
  readonly #users: Map<string, Set<ScopesUser>> = new Map();

  use(key: string, user: ScopesUser): () => void {
    const scopes = this.#scopes.get(key);
    if (scopes !== undefined) user({ set: [...scopes.values()], removed: [] });
    const users = this.#users.get(key) ?? new Set();
    this.#users.set(key, users.add(user));
    return () => {
      users.delete(user);
      if (users.size === 0 && this.#users.get(key) === users) this.#users.delete(key);
    };
  }

  update(key: string, update: ScopesUpdate): void {
    const scopes = this.#scopes.get(key) ?? new Map();
    this.#scopes.set(key, scopes);
    for (const name of update.removed) scopes.delete(name);
    for (const scope of update.set) scopes.set(scope.name ?? "", scope);
    for (const user of this.#users.get(key) ?? []) user(update);
  }

  /** Nobody asks for them any more. */
  forget(key: string): void {
    this.#scopes.delete(key);
  }
}
