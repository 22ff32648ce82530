import type { LocalRateLimitJson } from "#gen/envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit_pb.js";
import type { TokenBucketJson } from "#gen/envoy/type/v3/token_bucket_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { type Bucket, compileTokenBucket, makeSharedBucket } from "../../../rate-limit/buckets.ts";
import type { Services } from "../../../services.ts";
import type { NetworkFilterFactory } from "../filter.ts";
import { LocalRateLimit, type LocalRateLimitSettings } from "./local-ratelimit.ts";

/** Buckets by share key and form, of each worker's filters. They live as long as the worker's services. */
const shared = new WeakMap<Services["timers"], Map<string, Bucket>>();

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.local_ratelimit",
  configType: "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
  compile(config, { services }) {
    // The loader checked it against the descriptor of this very type.
    const {
      statPrefix = "",
      tokenBucket,
      runtimeEnabled,
      shareKey = "",
    } = config as LocalRateLimitJson;
    if (tokenBucket === undefined) throw refuse("token_bucket", "is required");
    const { runtimeKey = "", defaultValue = false } = runtimeEnabled ?? {};
    const settings: LocalRateLimitSettings = {
      bucket: within("token_bucket", () => bucketOf(tokenBucket, shareKey, services)),
      enabled:
        runtimeEnabled === undefined
          ? () => true
          : () => services.runtime.boolean(runtimeKey, defaultValue),
      limited: services.stats.counter(`local_rate_limit.${statPrefix}.rate_limited`),
    };
    return (stream) => new LocalRateLimit(settings, stream);
  },
};

function bucketOf(config: TokenBucketJson, shareKey: string, services: Services): Bucket {
  const options = compileTokenBucket(config);
  if (shareKey === "") return makeSharedBucket(options, services);
  // Each filter chain has services of its own; the timers are the worker's.
  const buckets = shared.get(services.timers) ?? new Map<string, Bucket>();
  shared.set(services.timers, buckets);
  const key = JSON.stringify([shareKey, options]);
  const bucket = buckets.get(key) ?? makeSharedBucket(options, services);
  buckets.set(key, bucket);
  return bucket;
}
