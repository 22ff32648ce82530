import type { HealthCheckJson } from "#gen/envoy/extensions/filters/http/health_check/v3/health_check_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileHeaderMatchers } from "../../../matching/header-matcher.ts";
import type { FilterContext, HttpFilterFactory } from "../filter.ts";
import { AnswerCache, HealthCheckFilter, type HealthCheckSettings } from "./health-check.ts";

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.health_check",
  configType: "envoy.extensions.filters.http.health_check.v3.HealthCheck",
  compile(config, context) {
    // The loader checked it against the descriptor of this very type.
    const settings = compileSettings(config as HealthCheckJson, context);
    return () => new HealthCheckFilter(settings);
  },
};

function compileSettings(
  config: HealthCheckJson,
  { services }: FilterContext,
): HealthCheckSettings {
  const { passThroughMode } = config;
  if (passThroughMode === undefined) throw refuse("pass_through_mode", "is required");
  const cacheTimeMs = within("cache_time", () => durationMs(config.cacheTime, 0));
  if (cacheTimeMs > 0 && !passThroughMode)
    throw refuse("cache_time", "must not be set when pass_through_mode is false");
  return {
    services,
    passThrough: passThroughMode,
    matchers: compileHeaderMatchers(config.headers),
    cache: cacheTimeMs > 0 ? new AnswerCache(services.clock, cacheTimeMs) : undefined,
    minHealthyPercents: Object.entries(config.clusterMinHealthyPercentages ?? {}).map(
      ([cluster, percent]) => ({ cluster, percent: Number(percent.value ?? 0) }),
    ),
  };
}
