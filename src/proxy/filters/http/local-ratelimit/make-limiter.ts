import type { LocalRateLimitDescriptorJson } from "#gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js";
import type { LocalRateLimitJson } from "#gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { TokenBucket, type TokenBucketOptions } from "#lib/token-bucket.ts";
import { byteText } from "../../../matching/byte-text.ts";
import type { DescriptorEntry } from "../../../rate-limit/actions.ts";
import { compileTokenBucket, makeSharedBucket } from "../../../rate-limit/buckets.ts";
import type { Services } from "../../../services.ts";
import { openBucketCells, openBucketsDefault } from "../../../shared-slots.ts";
import {
  descriptorKey,
  Limiter,
  type OpenBuckets,
  type RatedBucket,
  RecentBuckets,
} from "./limiter.ts";
import { SharedBuckets } from "./shared-buckets.ts";

type MakeBucket = (options: TokenBucketOptions) => RatedBucket;
type MakeOpen = (options: TokenBucketOptions, max: number) => OpenBuckets;

interface DescriptorPlan {
  readonly entries: readonly DescriptorEntry[];
  readonly options: TokenBucketOptions;
}

/** What limiters of a configuration are made of; checked once, for a connection has one of its own where that is asked for. */
export interface LimiterPlan {
  /** The one of the proxy, with buckets that its workers share. */
  shared(services: Services): Limiter;
  /** One of a connection. */
  own(services: Services): Limiter;
}

export function planLimiter(config: LocalRateLimitJson): LimiterPlan {
  const { tokenBucket, alwaysConsumeDefaultTokenBucket: alwaysDefault = true } = config;
  const fallback =
    tokenBucket === undefined
      ? undefined
      : within("token_bucket", () => compileTokenBucket(tokenBucket));
  const plans = compileEach("descriptors", config.descriptors, planDescriptor);
  refuseTwins(plans);
  const openMax = config.maxDynamicDescriptors ?? openBucketsDefault;
  const make = (makeBucket: MakeBucket, makeOpen: MakeOpen): Limiter =>
    new Limiter({
      fallback: fallback === undefined ? undefined : makeBucket(fallback).bucket,
      alwaysDefault,
      closed: new Map(
        plans
          .filter(({ entries }) => !isOpen(entries))
          .map(({ entries, options }) => [descriptorKey(entries), makeBucket(options)]),
      ),
      open: plans
        .filter(({ entries }) => isOpen(entries))
        .map(({ entries, options }) => ({
          entries,
          buckets: makeOpen(options, openMax),
        })),
    });
  return {
    shared: (services) => make(sharedBuckets(services), sharedOpen(services)),
    own: (services) => make(ownBuckets(services), ownOpen(services)),
  };
}

function planDescriptor({
  entries = [],
  tokenBucket,
}: LocalRateLimitDescriptorJson): DescriptorPlan {
  return {
    entries: entries.map(({ key = "", value = "" }) => ({
      key: byteText(key),
      value: byteText(value),
    })),
    options: within("token_bucket", () => compileTokenBucket(tokenBucket ?? {})),
  };
}

function refuseTwins(plans: readonly DescriptorPlan[]): void {
  const seen = new Set<string>();
  for (const [index, { entries }] of plans.entries()) {
    const key = descriptorKey(entries);
    if (seen.has(key))
      throw refuse(
        `descriptors[${index}]`,
        "duplicate descriptor in the local rate descriptor: " +
          entries.map((entry) => `${entry.key}=${entry.value}`).join(", "),
      );
    seen.add(key);
  }
}

function isOpen(entries: readonly DescriptorEntry[]): boolean {
  return entries.some(({ value }) => value === "");
}

function ownBuckets({ clock }: Services): MakeBucket {
  return (options) => ({ bucket: new TokenBucket(clock, options), rate: rateOf(options) });
}

function sharedBuckets(services: Services): MakeBucket {
  return (options) => ({ bucket: makeSharedBucket(options, services), rate: rateOf(options) });
}

function ownOpen(services: Services): MakeOpen {
  const make = ownBuckets(services);
  return (options, max) => new RecentBuckets(max, () => make(options));
}

function sharedOpen(services: Services): MakeOpen {
  const { clock, sharedSlots, ticketSecret: secret } = services;
  return (bucket, max) => {
    const cells = max === 0 ? undefined : sharedSlots?.take(openBucketCells(max));
    return cells === undefined
      ? ownOpen(services)(bucket, max)
      : new SharedBuckets({ clock, cells, max, bucket, secret });
  };
}

function rateOf({ tokensPerFill, fillIntervalMs }: TokenBucketOptions): number {
  return tokensPerFill / fillIntervalMs;
}
