import type { LocalRateLimitJson } from "#gen/envoy/extensions/filters/listener/local_ratelimit/v3/local_ratelimit_pb.js";
import { within } from "#lib/config-error.ts";
import { compileTokenBucket, makeSharedBucket } from "../../../rate-limit/buckets.ts";
import type { ListenerFilterFactory } from "../filter.ts";
import { LocalRateLimit } from "./local-ratelimit.ts";

export const factory: ListenerFilterFactory = {
  name: "envoy.filters.listener.local_ratelimit",
  configType: "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit",
  compile(config, { services }) {
    // The loader checked it against the descriptor of this very type.
    const { statPrefix = "", tokenBucket, runtimeEnabled } = config as LocalRateLimitJson;
    const options = within("token_bucket", () => compileTokenBucket(tokenBucket ?? {}));
    const { runtimeKey = "", defaultValue = false } = runtimeEnabled ?? {};
    const filter = new LocalRateLimit({
      bucket: makeSharedBucket(options, services),
      enabled:
        runtimeEnabled === undefined
          ? () => true
          : () => services.runtime.boolean(runtimeKey, defaultValue),
      limited: services.stats.counter(`listener_local_ratelimit.${statPrefix}.rate_limited`),
    });
    return () => filter;
  },
};
