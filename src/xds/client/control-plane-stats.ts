import type { XdsStatsScope } from "../subscription-stats.ts";

/** `control_plane.` below the prefix of the one who asks (`cluster_manager.` is ADS' in Envoy). */
export class ControlPlaneStats {
  readonly #connected: { set(value: number): void };
  readonly #pending: { set(value: number): void };
  readonly #rateLimited: { inc(): void };
  readonly #identifier: { set(value: string): void } | undefined;
  #identified = "";

  constructor(scope: XdsStatsScope) {
    this.#connected = scope.gauge("control_plane.connected_state");
    this.#pending = scope.gauge("control_plane.pending_requests");
    this.#rateLimited = scope.counter("control_plane.rate_limit_enforced");
    this.#identifier = scope.text?.("control_plane.identifier");
  }

  /** 1: the first server, 2: the second. */
  connected(index: number): void {
    this.#connected.set(index + 1);
  }

  disconnected(): void {
    this.#connected.set(0);
    this.#pending.set(0);
  }

  pending(count: number): void {
    this.#pending.set(count);
  }

  rateLimited(): void {
    this.#rateLimited.inc();
  }

  /** The server's own name, the last one heard. */
  get identifier(): string {
    return this.#identified;
  }

  identified(identifier: string): void {
    this.#identified = identifier;
    this.#identifier?.set(identifier);
  }
}
