import type {
  AdaptiveConcurrencyJson,
  GradientControllerConfigJson,
} from "#gen/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js";
import type { PercentJson } from "#gen/envoy/type/v3/percent_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileRuntimeFlag } from "../../../runtime-flag.ts";
import { statusOfName } from "../../../status-code.ts";
import type { FilterContext, HttpFilterFactory } from "../filter.ts";
import { AdaptiveConcurrency, type AdaptiveConcurrencySettings } from "./adaptive-concurrency.ts";
import { GradientController, type GradientStats } from "./gradient-controller.ts";

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.adaptive_concurrency",
  configType: "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
  compile(config, context) {
    // The loader checked it against the descriptor of this very type.
    const json = config as AdaptiveConcurrencyJson;
    const gradient = json.gradientControllerConfig;
    if (gradient === undefined) throw refuse("concurrency_controller_config", "is required");
    const { services } = context;
    const settings: AdaptiveConcurrencySettings = {
      clock: services.clock,
      enabled: compileRuntimeFlag(json.enabled, services),
      controller: within("gradient_controller_config", () => compileGradient(gradient, context)),
      refusal: {
        status: statusOf(json.concurrencyLimitExceededStatus?.code),
        body: "reached concurrency limit",
        details: "reached_concurrency_limit",
      },
    };
    return () => new AdaptiveConcurrency(settings);
  },
};

/** As in Envoy, what is no error becomes 503. */
function statusOf(code: string | undefined): number {
  // Proof: the loader knows the enum's names, and only them.
  const status = statusOfName(code);
  return status < 400 ? 503 : status;
}

function compileGradient(
  config: GradientControllerConfigJson,
  context: FilterContext,
): GradientController {
  const { concurrencyLimitParams, minRttCalcParams } = config;
  if (concurrencyLimitParams === undefined) throw refuse("concurrency_limit_params", "is required");
  if (minRttCalcParams === undefined) throw refuse("min_rtt_calc_params", "is required");
  return new GradientController({
    clock: context.services.clock,
    random: context.services.random,
    concurrencyMin: minRttCalcParams.minConcurrency ?? 3,
    concurrencyMax: concurrencyLimitParams.maxConcurrencyLimit ?? 1000,
    updateIntervalMs: positiveMs(
      "concurrency_limit_params.concurrency_update_interval",
      concurrencyLimitParams.concurrencyUpdateInterval,
    ),
    minRttIntervalMs: positiveMs("min_rtt_calc_params.interval", minRttCalcParams.interval),
    minRttJitter: percentOf(minRttCalcParams.jitter, 15) / 100,
    minRttRequests: minRttCalcParams.requestCount ?? 50,
    minRttBuffer: percentOf(minRttCalcParams.buffer, 25) / 100,
    percentile: percentOf(config.sampleAggregatePercentile, 50),
    stats: statsOf(context),
  });
}

function statsOf({ scope, services }: FilterContext): GradientStats {
  const stats = scope.scope("adaptive_concurrency.gradient_controller.");
  const isFirst = services.workerIndex === 0;
  return {
    blocked: stats.counter("rq_blocked"),
    limit: stats.gauge("concurrency_limit"),
    measuring: stats.gauge("min_rtt_calculation_active"),
    burstQueue: stats.gauge("burst_queue_size"),
    minRttMs: isFirst ? stats.gauge("min_rtt_msecs") : undefined,
    sampleRttMs: isFirst ? stats.gauge("sample_rtt_msecs") : undefined,
    gradient: isFirst ? stats.gauge("gradient") : undefined,
  };
}

function positiveMs(path: string, text: string | undefined): number {
  const milliseconds = within(path, () => durationMs(text, 0));
  if (milliseconds < 1) throw refuse(path, "must be at least 1ms");
  return milliseconds;
}

/** ProtoJSON writes a double that is no number as text. */
function percentOf(config: PercentJson | undefined, absent: number): number {
  return config === undefined ? absent : Number(config.value ?? 0);
}
