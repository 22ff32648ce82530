import type { Bucket } from "../../../rate-limit/buckets.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { NetworkFilter, NetworkStream, NetworkVerdict } from "../filter.ts";

export interface LocalRateLimitSettings {
  readonly bucket: Bucket;
  readonly enabled: () => boolean;
  readonly limited: Counter;
}

/** A connection costs a token; without one it is closed. */
export class LocalRateLimit implements NetworkFilter {
  readonly #settings: LocalRateLimitSettings;
  readonly #stream: NetworkStream;

  constructor(settings: LocalRateLimitSettings, stream: NetworkStream) {
    this.#settings = settings;
    this.#stream = stream;
  }

  onConnect(): NetworkVerdict {
    const { bucket, enabled, limited } = this.#settings;
    if (!enabled() || bucket.take()) return "continue";
    limited.inc();
    // Envoy's flag for this, whatever its name says.
    this.#stream.info.addFlags(ResponseFlag.upstreamRetryLimitExceeded);
    this.#stream.connection.destroy();
    return "park";
  }

  onData(): NetworkVerdict {
    return "continue";
  }
}
