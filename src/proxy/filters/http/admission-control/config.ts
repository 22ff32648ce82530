import type {
  AdmissionControl_SuccessCriteriaJson,
  AdmissionControlJson,
} from "#gen/envoy/extensions/filters/http/admission_control/v3/admission_control_pb.js";
import { GrpcCode } from "#grpc/status.ts";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileRuntimeFlag } from "../../../runtime-flag.ts";
import type { Services } from "../../../services.ts";
import type { FilterContext, HttpFilterFactory } from "../filter.ts";
import { AdmissionControl, type AdmissionSettings } from "./admission-control.ts";
import { SuccessWindow } from "./success-window.ts";

const samplingWindowMsDefault = 30_000;
const thresholdPercentDefault = 95;
const rejectionPercentMaxDefault = 80;
/** What fewer requests would hardly change. */
const grpcSuccesses: readonly number[] = [
  GrpcCode.ok,
  GrpcCode.cancelled,
  GrpcCode.unknown,
  GrpcCode.invalidArgument,
  GrpcCode.notFound,
  GrpcCode.alreadyExists,
  GrpcCode.unauthenticated,
  GrpcCode.failedPrecondition,
  GrpcCode.outOfRange,
  GrpcCode.permissionDenied,
  GrpcCode.unimplemented,
];

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.admission_control",
  configType: "envoy.extensions.filters.http.admission_control.v3.AdmissionControl",
  compile(config, context) {
    // The loader checked it against the descriptor of this very type.
    const settings = compileSettings(config as AdmissionControlJson, context);
    return () => new AdmissionControl(settings);
  },
};

function compileSettings(
  config: AdmissionControlJson,
  { services, scope }: FilterContext,
): AdmissionSettings {
  const { successCriteria, srThreshold } = config;
  if (successCriteria === undefined) throw refuse("evaluation_criteria", "is required");
  if (srThreshold !== undefined && Number(srThreshold.defaultValue?.value ?? 0) < 1)
    throw refuse("sr_threshold", "Success rate threshold cannot be less than 1.0%.");
  const stats = scope.scope("admission_control.");
  const windowMs = within("sampling_window", () =>
    durationMs(config.samplingWindow, samplingWindowMsDefault),
  );
  const number = compileNumber(services);
  const threshold = number(
    config.srThreshold,
    config.srThreshold?.defaultValue?.value ?? thresholdPercentDefault,
  );
  const aggression = number(config.aggression, config.aggression?.defaultValue ?? 1);
  const rejectionMax = number(
    config.maxRejectionProbability,
    config.maxRejectionProbability === undefined
      ? rejectionPercentMaxDefault
      : (config.maxRejectionProbability.defaultValue?.value ?? 0),
  );
  return {
    random: services.random,
    window: new SuccessWindow(services.clock, Math.floor(windowMs / 1000)),
    enabled: compileRuntimeFlag(config.enabled, services),
    ...within("success_criteria", () => compileCriteria(successCriteria)),
    successRateThreshold: () => Math.min(threshold(), 100) / 100,
    aggression: () => Math.max(1, aggression()),
    rpsThreshold: number(config.rpsThreshold, config.rpsThreshold?.defaultValue ?? 0),
    rejectionProbabilityMax: () => rejectionMax() / 100,
    succeeded: stats.counter("rq_success"),
    failed: stats.counter("rq_failure"),
    rejected: stats.counter("rq_rejected"),
  };
}

/** A number that the runtime may replace. ProtoJSON writes a double that is no number as text. */
function compileNumber({ runtime }: Services) {
  return (
    config: { readonly runtimeKey?: string } | undefined,
    configured: number | string,
  ): (() => number) => {
    const value = Number(configured);
    const key = config?.runtimeKey ?? "";
    return key === "" ? () => value : () => runtime.number(key, value);
  };
}

function compileCriteria({
  httpCriteria,
  grpcCriteria,
}: AdmissionControl_SuccessCriteriaJson): Pick<
  AdmissionSettings,
  "isHttpSuccess" | "isGrpcSuccess"
> {
  const ranges = (httpCriteria?.httpSuccessStatus ?? []).map(({ start = 0, end = 0 }) => {
    if (start < 100 || end > 600 || start > end)
      throw refuse("http_criteria", `invalid HTTP range: [${start}, ${end})`);
    return { start, end };
  });
  const codes = new Set(grpcCriteria?.grpcSuccessStatus ?? grpcSuccesses);
  for (const code of codes)
    if (code > GrpcCode.unauthenticated) throw refuse("grpc_criteria", `invalid gRPC code ${code}`);
  return {
    isHttpSuccess:
      httpCriteria === undefined
        ? (status) => status < 500
        : (status) => ranges.some(({ start, end }) => status >= start && status < end),
    isGrpcSuccess: (code) => codes.has(code),
  };
}
