import type { BandwidthLimitJson } from "#gen/envoy/extensions/filters/http/bandwidth_limit/v3/bandwidth_limit_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { makeSharedBucket } from "../../../rate-limit/buckets.ts";
import type { Services } from "../../../services.ts";
import type { StatsScope } from "../../../stats/stats.ts";
import type { HttpFilterFactory } from "../filter.ts";
import type { ByteBucket } from "../stream-rate-limiter.ts";
import {
  type BandwidthLimit,
  BandwidthLimitFilter,
  type DirectionLimit,
  type TrailerNames,
} from "./bandwidth-limit.ts";

const type = "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit";
const fillIntervalDefaultMs = 50;
const secondMs = 1000;
const kilobyte = 1024;

// The loader checked each configuration against the descriptor of this very type.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.bandwidth_limit",
  configType: type,
  routeConfigType: type,
  compile(config, { services, filterName }) {
    const limit = compileLimit(config as BandwidthLimitJson, services);
    return () => new BandwidthLimitFilter(limit, filterName);
  },
  compileRoute(config, services) {
    const typed = config as BandwidthLimitJson;
    if (typed.limitKbps === undefined)
      throw refuse("limit_kbps", "limit must be set for per route filter config");
    return compileLimit(typed, services);
  },
};

function compileLimit(config: BandwidthLimitJson, services: Services): BandwidthLimit {
  const { enableMode = "DISABLED", limitKbps, runtimeEnabled } = config;
  const scope = services.stats.scope(`${config.statPrefix ?? ""}.http_bandwidth_limit.`);
  const request = directionOf(scope, "request");
  const response = directionOf(scope, "response");
  const fillIntervalMs = within("fill_interval", () =>
    durationMs(config.fillInterval, fillIntervalDefaultMs),
  );
  const { runtimeKey = "", defaultValue = true } = runtimeEnabled ?? {};
  // Without a limit there is nothing to enforce.
  const isLimited = limitKbps !== undefined;
  const limits = (direction: string): boolean =>
    isLimited && (enableMode === direction || enableMode === "REQUEST_AND_RESPONSE");
  return {
    request: limits("REQUEST") ? request : undefined,
    response: limits("RESPONSE") ? response : undefined,
    clock: services.clock,
    bucket: bucketOf(Number(limitKbps ?? 0) * kilobyte, fillIntervalMs, services),
    interval: services.timers.of(fillIntervalMs),
    enabled:
      runtimeEnabled === undefined
        ? () => true
        : () => services.runtime.boolean(runtimeKey, defaultValue),
    trailers:
      config.enableResponseTrailers === true
        ? trailerNames(config.responseTrailerPrefix)
        : undefined,
  };
}

/** It begins with what one interval brings, and holds a second's worth. */
function bucketOf(bytes: number, intervalMs: number, services: Services): ByteBucket {
  const options = {
    tokensMax: bytes,
    tokensPerFill: bytes,
    fillIntervalMs: secondMs,
    tokensAtStart: Math.floor((bytes * intervalMs) / secondMs),
  };
  return makeSharedBucket(options, services);
}

function directionOf(scope: StatsScope, name: "request" | "response"): DirectionLimit {
  return {
    enabled: scope.counter(`${name}_enabled`),
    enforced: scope.counter(`${name}_enforced`),
    pending: scope.gauge(`${name}_pending`),
    incoming: scope.gauge(`${name}_incoming_size`),
    incomingTotal: scope.counter(`${name}_incoming_total_size`),
    allowed: scope.gauge(`${name}_allowed_size`),
    allowedTotal: scope.counter(`${name}_allowed_total_size`),
    duration: scope.histogram(`${name}_transfer_duration`),
  };
}

function trailerNames(prefix = ""): TrailerNames {
  const start = prefix === "" ? "" : `${prefix.toLowerCase()}-`;
  return {
    request: `${start}bandwidth-request-delay-ms`,
    requestFilter: `${start}bandwidth-request-filter-delay-ms`,
    response: `${start}bandwidth-response-delay-ms`,
    responseFilter: `${start}bandwidth-response-filter-delay-ms`,
  };
}
