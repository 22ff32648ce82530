import { Word64 } from "#lib/word64.ts";
import { xxHash64 } from "#lib/xxhash64.ts";

/** A stats scope, as far as it is needed here; `text` is Envoy's text readout. */
export interface XdsStatsScope {
  counter(name: string): { inc(): void };
  gauge(name: string): { set(value: number): void };
  histogram(name: string): { record(value: number): void };
  text?(name: string): { set(value: string): void };
}

/** The stats of one subscription, by Envoy's names below the prefix that the subscriber gives (`cluster_manager.cds.`). */
export class SubscriptionStats {
  readonly #attempt: { inc(): void };
  readonly #success: { inc(): void };
  readonly #failure: { inc(): void };
  readonly #rejected: { inc(): void };
  readonly #initFetchTimeout: { inc(): void };
  readonly #version: { set(value: number): void };
  readonly #versionText: { set(value: string): void } | undefined;
  readonly #updateTime: { set(value: number): void };
  readonly #updateDuration: { record(value: number): void };

  constructor(scope: XdsStatsScope) {
    this.#attempt = scope.counter("update_attempt");
    this.#success = scope.counter("update_success");
    this.#failure = scope.counter("update_failure");
    this.#rejected = scope.counter("update_rejected");
    this.#initFetchTimeout = scope.counter("init_fetch_timeout");
    this.#version = scope.gauge("version");
    this.#versionText = scope.text?.("version_text");
    this.#updateTime = scope.gauge("update_time");
    this.#updateDuration = scope.histogram("update_duration");
  }

  /** Something was asked for. */
  attempted(): void {
    this.#attempt.inc();
  }

  succeeded(update: { readonly version: string; wallMs: number; durationMs: number }): void {
    this.#attempt.inc();
    this.#success.inc();
    this.#version.set(versionHash(update.version));
    this.#versionText?.set(update.version);
    this.#updateTime.set(Math.floor(update.wallMs));
    this.#updateDuration.record(Math.floor(update.durationMs));
  }

  /** The source could not be reached. */
  failed(): void {
    this.#attempt.inc();
    this.#failure.inc();
  }

  rejected(): void {
    this.#attempt.inc();
    this.#rejected.inc();
  }

  /** The subscriber has waited for its `initial_fetch_timeout`. */
  timedOut(): void {
    this.#attempt.inc();
    this.#initFetchTimeout.inc();
  }
}

/** XXH64 as Envoy's gauge shows it; of the 64 bits a number keeps the first 53. */
export function versionHash(version: string): number {
  const { high, low } = xxHash64(new Word64(), Buffer.from(version));
  return (high >>> 0) * 2 ** 32 + (low >>> 0);
}
