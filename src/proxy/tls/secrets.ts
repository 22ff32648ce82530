import type {
  SdsSecretConfigJson,
  SecretJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { refuse } from "#lib/config-error.ts";

/** A secret that may come later, and change. */
export interface SecretSlot {
  readonly name: string;
  /** Data sources are inline: the main thread has read the files. */
  readonly value: SecretJson | undefined;
  subscribe(onChange: () => void): void;
}

class Slot implements SecretSlot {
  readonly name: string;
  value: SecretJson | undefined;
  readonly #subscribers: (() => void)[] = [];

  constructor(name: string, value: SecretJson | undefined) {
    this.name = name;
    this.value = value;
  }

  subscribe(onChange: () => void): void {
    this.#subscribers.push(onChange);
  }

  set(value: SecretJson): void {
    this.value = value;
    for (const onChange of this.#subscribers) onChange();
  }
}

/** Where a secret comes from and what it is called; two contexts that say the same share it. */
export function secretKey(config: SdsSecretConfigJson): string {
  const { sdsConfig } = config;
  const path = sdsConfig?.pathConfigSource?.path ?? sdsConfig?.path ?? "";
  return `${path}\n${config.name ?? ""}`;
}

/** A worker's secrets. */
export class SecretStore {
  readonly #slots: Map<string, Slot> = new Map();

  /** Those that stand in the bootstrap. */
  addStatic(secrets: readonly SecretJson[]): void {
    for (const secret of secrets) {
      const name = secret.name ?? "";
      this.#slots.set(secretKey({ name }), new Slot(name, secret));
    }
  }

  /** Throws ConfigError for a static secret that does not exist. */
  slot(config: SdsSecretConfigJson): SecretSlot {
    const key = secretKey(config);
    let slot = this.#slots.get(key);
    if (slot !== undefined) return slot;
    const name = config.name ?? "";
    if (config.sdsConfig === undefined) throw refuse("name", `Unknown static secret: ${name}`);
    slot = new Slot(name, undefined);
    this.#slots.set(key, slot);
    return slot;
  }

  update(key: string, secret: SecretJson): void {
    this.#slots.get(key)?.set(secret);
  }
}
