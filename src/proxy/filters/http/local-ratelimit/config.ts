import type { RuntimeFractionalPercentJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { LocalRateLimitJson } from "#gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js";
import type { HttpStatusJson } from "#gen/envoy/type/v3/http_status_pb.js";
import { refuse } from "#lib/config-error.ts";
import { compileRateLimits, type RateLimit } from "../../../rate-limit/rate-limits.ts";
import { compileAdditions } from "../../../route/header-changes.ts";
import type { Services } from "../../../services.ts";
import { statusOfName } from "../../../status-code.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { type LocalLimit, LocalRateLimitFilter } from "./local-ratelimit.ts";
import { planLimiter } from "./make-limiter.ts";

const type = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";

// The loader checked each configuration against the descriptor of this very type.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.local_ratelimit",
  configType: type,
  routeConfigType: type,
  compile(config, { services, filterName }) {
    const limit = compileLimit(config as LocalRateLimitJson, services);
    return () => new LocalRateLimitFilter(limit, filterName);
  },
  compileRoute(config, services) {
    const typed = config as LocalRateLimitJson;
    if (typed.tokenBucket === undefined)
      throw refuse(
        "token_bucket",
        "local rate limit token bucket must be set for per filter configs",
      );
    return compileLimit(typed, services);
  },
};

function compileLimit(config: LocalRateLimitJson, services: Services): LocalLimit {
  const scope = services.stats.scope(`${config.statPrefix ?? ""}.http_local_rate_limit.`);
  const plan = planLimiter(config);
  return {
    enabled: compileShare(config.filterEnabled, services),
    enforced: compileShare(config.filterEnforced, services),
    limiter: plan.shared(services),
    ofConnection:
      config.localRateLimitPerDownstreamConnection === true ? () => plan.own(services) : undefined,
    asksDescriptors: (config.descriptors ?? []).length > 0,
    rateLimits: compileOwnLimits(config, services),
    stage: config.stage ?? 0,
    // Proof: the loader takes no other names.
    virtualHosts: (config.vhRateLimits ?? "OVERRIDE") as LocalLimit["virtualHosts"],
    status: statusOf(config.status),
    resourceExhausted: config.rateLimitedAsResourceExhausted === true,
    requestAdditions: compileAdditions(
      "request_headers_to_add_when_not_enforced",
      config.requestHeadersToAddWhenNotEnforced,
    ),
    responseAdditions: compileAdditions("response_headers_to_add", config.responseHeadersToAdd),
    reports: config.enableXRatelimitHeaders === "DRAFT_VERSION_03",
    stats: {
      enabled: scope.counter("enabled"),
      ok: scope.counter("ok"),
      limited: scope.counter("rate_limited"),
      enforced: scope.counter("enforced"),
    },
  };
}

function compileOwnLimits(
  { rateLimits }: LocalRateLimitJson,
  services: Services,
): readonly RateLimit[] {
  for (const [index, { stage, disableKey = "" }] of (rateLimits ?? []).entries())
    if (stage !== undefined || disableKey !== "")
      throw refuse(
        `rate_limits[${index}]`,
        "'stage' field and 'disable_key' field are not supported",
      );
  return compileRateLimits("rate_limits", rateLimits, services.node.cluster);
}

const denominators: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** Never, unless given. */
function compileShare(
  config: RuntimeFractionalPercentJson | undefined,
  { runtime, random }: Services,
): () => boolean {
  if (config === undefined) return () => false;
  const { runtimeKey = "", defaultValue } = config;
  const key = runtimeKey === "" ? undefined : runtimeKey;
  const numerator = defaultValue?.numerator ?? 0;
  const denominator = denominators[String(defaultValue?.denominator ?? "HUNDRED")] ?? 100;
  return () => runtime.featureEnabled(key, numerator, denominator, random.unit());
}

const tooManyRequests = 429;

/** Only errors may be answered. */
function statusOf(config: HttpStatusJson | undefined): number {
  const status = statusOfName(config?.code);
  return status < 400 ? tooManyRequests : status;
}
