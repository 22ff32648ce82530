import type {
  SdsSecretConfigJson,
  SecretJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { refuse } from "#lib/config-error.ts";
import { sourceKey } from "../dynamic/config-source.ts";

/** A secret that may come later, and change. */
export interface SecretSlot {
  readonly name: string;
  /** Data sources are inline: the main thread has read the files. */
  readonly value: SecretJson | undefined;
  /** Returns how to end it. */
  subscribe(onChange: () => void): () => void;
}

/** Where TLS contexts find their secrets. */
export interface Secrets {
  /** Throws ConfigError for a static secret that does not exist. */
  slot(config: SdsSecretConfigJson): SecretSlot;
}

class Slot implements SecretSlot {
  readonly name: string;
  value: SecretJson | undefined;
  readonly #subscribers: Set<() => void> = new Set();
  #onUnused: (() => void) | undefined;

  constructor(name: string, value: SecretJson | undefined) {
    this.name = name;
    this.value = value;
  }

  subscribe(onChange: () => void): () => void {
    this.#subscribers.add(onChange);
    return () => {
      if (this.#subscribers.delete(onChange)) this.#checkUnused();
    };
  }

  /** Called when nobody has it any more, at once if that is so now; undefined: it is to stay. */
  set onUnused(callback: (() => void) | undefined) {
    this.#onUnused = callback;
    this.#checkUnused();
  }

  #checkUnused(): void {
    if (this.#subscribers.size === 0) this.#onUnused?.();
  }

  set(value: SecretJson): void {
    this.value = value;
    for (const onChange of this.#subscribers) onChange();
  }
}

/** Where a secret comes from and what it is called; two contexts that say the same share it. */
export function secretKey(config: SdsSecretConfigJson): string {
  const { sdsConfig = {} } = config;
  const path = sdsConfig.pathConfigSource?.path ?? sdsConfig.path;
  const source = path ?? (config.sdsConfig === undefined ? "" : sourceKey(sdsConfig));
  return `${source}\n${config.name ?? ""}`;
}

/** A worker's secrets. */
export class SecretStore implements Secrets {
  readonly #slots: Map<string, Slot> = new Map();

  /** Those that stand in the bootstrap. */
  addStatic(secrets: readonly SecretJson[]): void {
    for (const secret of secrets) {
      const name = secret.name ?? "";
      this.#slots.set(secretKey({ name }), new Slot(name, secret));
    }
  }

  slot(config: SdsSecretConfigJson): SecretSlot {
    const key = secretKey(config);
    let slot = this.#slots.get(key);
    if (slot !== undefined) {
      slot.onUnused = undefined;
      return slot;
    }
    const name = config.name ?? "";
    if (config.sdsConfig === undefined) throw refuse("name", `Unknown static secret: ${name}`);
    slot = new Slot(name, undefined);
    this.#slots.set(key, slot);
    return slot;
  }

  /**
   * Whoever asks for it later finds it too. Undefined: nothing more is heard of it, and it goes with the last context that has it, as of a
   * filter chain that drains.
   */
  update(key: string, secret: SecretJson | undefined): void {
    const slot = this.#slots.get(key);
    if (secret === undefined) {
      if (slot !== undefined) slot.onUnused = () => this.#slots.delete(key);
    } else if (slot === undefined) this.#slots.set(key, new Slot(secret.name ?? "", secret));
    else slot.set(secret);
  }
}
