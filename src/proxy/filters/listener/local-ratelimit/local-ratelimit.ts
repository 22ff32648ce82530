import type { Bucket } from "../../../rate-limit/buckets.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { ListenerFilter, ListenerVerdict } from "../filter.ts";

export interface LocalRateLimitSettings {
  readonly bucket: Bucket;
  readonly enabled: () => boolean;
  readonly limited: Counter;
}

const done: ListenerVerdict = { verdict: "done", consumed: 0 };
const close: ListenerVerdict = { verdict: "close", consumed: 0 };

/** A connection costs a token; without one it is closed before anything is made for it. One object serves all connections. */
export class LocalRateLimit implements ListenerFilter {
  readonly bytesMax = 0;
  readonly #settings: LocalRateLimitSettings;

  constructor(settings: LocalRateLimitSettings) {
    this.#settings = settings;
  }

  onAccept(): ListenerVerdict {
    const { bucket, enabled, limited } = this.#settings;
    if (!enabled() || bucket.take()) return done;
    limited.inc();
    return close;
  }

  onData(): ListenerVerdict {
    return done;
  }
}
