import type { ExtensionConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import { ConfigError } from "#lib/config-error.ts";
import { sourceKey } from "../dynamic/config-source.ts";
import type { SharedSlots } from "../shared-slots.ts";

export interface ExtensionUser {
  /**
   * Compiles a configuration and returns how it takes effect; undefined: there is none any more. Throws ConfigError. `slots`: what it counts
   * together with the other workers; undefined: those of the listener.
   */
  update(config: TypedExtensionConfigJson | undefined, slots: SharedSlots | undefined): () => void;
  /** What is there already is not for this user, who goes on without it. */
  onConflict(): void;
}

/** Where filters ask for a configuration that comes by ECDS. */
export interface ExtensionSource {
  /** `user` gets the configuration now, if it is there, and after each change; returns how to end it. */
  use(key: string, user: ExtensionUser): () => void;
}

/** The same for filters that one resource configures. */
export function extensionKey(name: string, { configSource }: ExtensionConfigSourceJson): string {
  return `${sourceKey(configSource ?? {})} ${name}`;
}

/** A worker's configurations of extensions, and who uses them. */
export class ExtensionConfigs implements ExtensionSource {
  readonly #configs: Map<string, TypedExtensionConfigJson> = new Map();
  readonly #users: Map<string, Set<ExtensionUser>> = new Map();

  use(key: string, user: ExtensionUser): () => void {
    const config = this.#configs.get(key);
    if (config !== undefined) offer(config, user);
    const users = this.#users.get(key) ?? new Set();
    this.#users.set(key, users.add(user));
    return () => {
      users.delete(user);
      if (users.size === 0 && this.#users.get(key) === users) this.#users.delete(key);
    };
  }

  /** For all users or, when one of them cannot take it (ConfigError), for none. */
  update(key: string, config: TypedExtensionConfigJson, slots: SharedSlots | undefined): void {
    const commits = [...(this.#users.get(key) ?? [])].map((user) => user.update(config, slots));
    this.#configs.set(key, config);
    for (const commit of commits) commit();
  }

  /** There is none any more, or nobody asks for it. */
  forget(key: string): void {
    this.#configs.delete(key);
    for (const user of this.#users.get(key) ?? []) user.update(undefined, undefined)();
  }
}

function offer(config: TypedExtensionConfigJson, user: ExtensionUser): void {
  try {
    user.update(config, undefined)();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    user.onConflict();
  }
}

/** Envoy's names, for the main thread too. */
export function extensionStats(name: string): string {
  return `extension_config_discovery.http_filter.${name}.`;
}
