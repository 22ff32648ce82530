import { Health } from "./health.ts";
import type { Services } from "./services.ts";
import type { SecretSlot } from "./tls/secrets.ts";
import type { TlsContextHolder } from "./tls/status.ts";

/** Every TLS context of a worker. */
export type HeldContexts = Set<TlsContextHolder>;

/**
 * What a filter chain or a cluster has of its worker: the same services, but what it registers with them is taken back when it is
 * replaced, and it can be drained by itself.
 */
export class Lease {
  readonly services: Services;
  readonly #ends: Set<() => void> = new Set();

  constructor(services: Services, contexts: HeldContexts) {
    this.services = {
      ...services,
      health: new Health(services.health),
      secrets: { slot: (config) => this.#slot(services.secrets.slot(config)) },
      tlsContexts: {
        add: (context) => {
          contexts.add(context);
          this.#ends.add(() => contexts.delete(context));
        },
      },
      routeConfigs: this.#leased(services.routeConfigs),
      scopedRoutes: this.#leased(services.scopedRoutes),
      extensions: this.#leased(services.extensions),
    };
  }

  #slot(slot: SecretSlot): SecretSlot {
    return {
      name: slot.name,
      get value() {
        return slot.value;
      },
      subscribe: (onChange) => {
        const end = slot.subscribe(onChange);
        this.#ends.add(end);
        return end;
      },
    };
  }

  #leased<U>(source: { use(name: string, user: U): () => void }): typeof source {
    return {
      use: (name, user) => {
        const end = source.use(name, user);
        this.#ends.add(end);
        return () => {
          this.#ends.delete(end);
          end();
        };
      },
    };
  }

  /** Nothing of it is heard of any more. */
  end(): void {
    for (const end of this.#ends) end();
    this.#ends.clear();
  }
}
