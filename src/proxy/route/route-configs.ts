import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";

/** A connection manager with routes that come by RDS: compiles them and returns how they take effect. Throws ConfigError. */
export type RouteUser = (config: RouteConfigurationJson) => () => void;

/** Where connection managers ask for routes by name. */
export interface RouteSource {
  /** `user` gets the routes now, if they are there, and after each change; returns how to end it. Throws ConfigError. */
  use(name: string, user: RouteUser): () => void;
}

/** A worker's route configurations by name, and who uses them. */
export class RouteConfigs implements RouteSource {
  readonly #configs: Map<string, RouteConfigurationJson> = new Map();
  readonly #users: Map<string, Set<RouteUser>> = new Map();

  use(name: string, user: RouteUser): () => void {
    const config = this.#configs.get(name);
    if (config !== undefined) user(config)();
    const users = this.#users.get(name) ?? new Set();
    this.#users.set(name, users.add(user));
    return () => {
      users.delete(user);
      if (users.size === 0 && this.#users.get(name) === users) this.#users.delete(name);
    };
  }

  /** For all users or, when one of them cannot take it (ConfigError), for none. */
  update(config: RouteConfigurationJson): void {
    const name = config.name ?? "";
    const commits = [...(this.#users.get(name) ?? [])].map((user) => user(config));
    this.#configs.set(name, config);
    for (const commit of commits) commit();
  }

  /** Nobody asks for it any more. */
  forget(name: string): void {
    this.#configs.delete(name);
  }
}
