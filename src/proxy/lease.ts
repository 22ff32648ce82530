import { Health } from "./health.ts";
import type { Services } from "./services.ts";
import type { SecretSlot, Secrets } from "./tls/secrets.ts";
import type { TlsContextHolder, TlsContexts } from "./tls/status.ts";

/** Every TLS context of a worker. */
export type HeldContexts = Set<TlsContextHolder>;

/** The secrets and contexts of somebody who goes before those whom they belong to: what it registers with them is taken back. */
export class TlsLease {
  readonly secrets: Secrets;
  readonly tlsContexts: TlsContexts;
  protected readonly ends: Set<() => void> = new Set();

  constructor(secrets: Secrets, contexts: HeldContexts) {
    this.secrets = { slot: (config) => this.#slot(secrets.slot(config)) };
    this.tlsContexts = {
      add: (context) => {
        contexts.add(context);
        this.ends.add(() => contexts.delete(context));
      },
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
        this.ends.add(end);
        return end;
      },
    };
  }

  /** Nothing of it is heard of any more. */
  end(): void {
    for (const end of this.ends) end();
    this.ends.clear();
  }
}

/**
 * What a filter chain or a cluster has of its worker: the same services, but what it registers with them is taken back when it is
 * replaced, and it can be drained by itself.
 */
export class Lease extends TlsLease {
  readonly services: Services;

  constructor(services: Services, contexts: HeldContexts) {
    super(services.secrets, contexts);
    this.services = {
      ...services,
      health: new Health(services.health),
      secrets: this.secrets,
      tlsContexts: this.tlsContexts,
      routeConfigs: this.#leased(services.routeConfigs),
      scopedRoutes: this.#leased(services.scopedRoutes),
      extensions: this.#leased(services.extensions),
    };
  }

  #leased<U>(source: { use(name: string, user: U): () => void }): typeof source {
    return {
      use: (name, user) => {
        const end = source.use(name, user);
        this.ends.add(end);
        return () => {
          this.ends.delete(end);
          end();
        };
      },
    };
  }
}
