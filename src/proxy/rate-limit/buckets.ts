import type { TokenBucketJson } from "#gen/envoy/type/v3/token_bucket_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { SharedTokenBucket } from "#lib/shared-token-bucket.ts";
import { TokenBucket, type TokenBucketOptions } from "#lib/token-bucket.ts";
import type { Services } from "../services.ts";

/** Of one worker, or of all. */
export interface Bucket {
  readonly tokensMax: number;
  readonly available: number;
  take(count?: number): boolean;
  takeUpTo(count: number): number;
  msUntil(count?: number): number;
}

const fillIntervalMsMin = 50;

export function compileTokenBucket(config: TokenBucketJson): TokenBucketOptions {
  const fillIntervalMs = within("fill_interval", () => durationMs(config.fillInterval, 0));
  if (fillIntervalMs < fillIntervalMsMin)
    throw refuse("fill_interval", "local rate limit token bucket fill timer must be >= 50ms");
  return {
    tokensMax: config.maxTokens ?? 0,
    tokensPerFill: config.tokensPerFill ?? 1,
    fillIntervalMs,
  };
}

/** A bucket of all workers where there are several. */
export function makeSharedBucket(options: TokenBucketOptions, services: Services): Bucket {
  const cell = services.sharedSlots?.take();
  return cell === undefined
    ? new TokenBucket(services.clock, options)
    : new SharedTokenBucket(services.clock, { ...options, cell });
}
