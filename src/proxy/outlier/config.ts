import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { OutlierDetectionJson } from "#gen/envoy/config/cluster/v3/outlier_detection_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { clusterType } from "../cluster/cluster-type.ts";
import type { HeaderPredicate } from "../matching/header-matcher.ts";
import { compileErrorMatcher } from "./error-matcher.ts";

/** The detectors that workers run: so many failures, one after another. */
export type ConsecutiveKind =
  | "consecutive5xx"
  | "consecutiveGatewayFailure"
  | "consecutiveLocalOriginFailure";

/** A number that a runtime key overrides. */
export interface Setting {
  readonly runtimeKey: string;
  readonly threshold: number;
}

export interface OutlierSettings {
  readonly consecutive: Readonly<Record<ConsecutiveKind, Setting>>;
  /** split_external_local_origin_errors */
  readonly split: boolean;
  readonly interval: Setting;
  readonly baseEjectionTime: Setting;
  readonly maxEjectionTime: Setting;
  readonly maxEjectionTimeJitter: Setting;
  readonly maxEjectionPercent: Setting;
  readonly alwaysEjectOneHost: boolean;
  readonly successRate: {
    readonly minimumHosts: Setting;
    readonly requestVolume: Setting;
    /** Thousandths of a standard deviation. */
    readonly stdevFactor: Setting;
  };
  readonly failurePercentage: {
    readonly threshold: Setting;
    readonly minimumHosts: Setting;
    readonly requestVolume: Setting;
  };
  readonly enforcing: Readonly<Record<EjectionType, Setting>>;
  readonly unejectedByHealthCheck: boolean;
  readonly detectsDegraded: boolean;
  /** Whether an answer is an error; undefined: its status decides. */
  readonly isError: HeaderPredicate | undefined;
}

export type EjectionType =
  | "CONSECUTIVE_5XX"
  | "CONSECUTIVE_GATEWAY_FAILURE"
  | "SUCCESS_RATE"
  | "CONSECUTIVE_LOCAL_ORIGIN_FAILURE"
  | "SUCCESS_RATE_LOCAL_ORIGIN"
  | "FAILURE_PERCENTAGE"
  | "FAILURE_PERCENTAGE_LOCAL_ORIGIN";

/** Where src/gen has not been made anew yet, it lacks this field of Envoy 1.40. */
type NewerJson = OutlierDetectionJson & { readonly detectDegradedHosts?: boolean };

const maxEjectionTimeMs = 300_000;

/** Undefined: the cluster's hosts are not watched. Throws ConfigError. */
export function compileOutlier(cluster: ClusterJson): OutlierSettings | undefined {
  const config = cluster.outlierDetection;
  if (config === undefined) return undefined;
  const isError = within("typed_extension_protocol_options", () => compileErrorMatcher(cluster));
  return within("outlier_detection", () => {
    if (clusterType(cluster) === "ORIGINAL_DST")
      throw refuse("", "is not supported for clusters of type ORIGINAL_DST");
    return { ...compileSettings(config), isError };
  });
}

function setting(name: string, configured: number | undefined, absent: number): Setting {
  return { runtimeKey: `outlier_detection.${name}`, threshold: configured ?? absent };
}

function time(name: string, configured: string | undefined, absentMs: number): Setting {
  return setting(
    `${name}_ms`,
    within(name, () => durationMs(configured, absentMs)),
    absentMs,
  );
}

function compileSettings(config: OutlierDetectionJson): Omit<OutlierSettings, "isError"> {
  const baseEjectionTime = time("base_ejection_time", config.baseEjectionTime, 30_000);
  const base = baseEjectionTime.threshold;
  const longest = Math.max(maxEjectionTimeMs, base);
  const maxEjectionTime = time("max_ejection_time", config.maxEjectionTime, longest);
  if (maxEjectionTime.threshold < base)
    throw refuse("max_ejection_time", "cannot be smaller than base_ejection_time");
  return {
    consecutive: compileConsecutive(config),
    split: config.splitExternalLocalOriginErrors === true,
    interval: time("interval", config.interval, 10_000),
    baseEjectionTime,
    maxEjectionTime,
    maxEjectionTimeJitter: time("max_ejection_time_jitter", config.maxEjectionTimeJitter, 0),
    maxEjectionPercent: setting("max_ejection_percent", config.maxEjectionPercent, 10),
    alwaysEjectOneHost: config.alwaysEjectOneHost === true,
    successRate: {
      minimumHosts: setting("success_rate_minimum_hosts", config.successRateMinimumHosts, 5),
      requestVolume: setting("success_rate_request_volume", config.successRateRequestVolume, 100),
      stdevFactor: setting("success_rate_stdev_factor", config.successRateStdevFactor, 1900),
    },
    failurePercentage: compileFailurePercentage(config),
    enforcing: compileEnforcing(config),
    unejectedByHealthCheck: config.successfulActiveHealthCheckUnejectHost !== false,
    detectsDegraded: (config as NewerJson).detectDegradedHosts === true,
  };
}

function compileConsecutive(config: OutlierDetectionJson): OutlierSettings["consecutive"] {
  return {
    consecutive5xx: setting("consecutive_5xx", config.consecutive5xx, 5),
    consecutiveGatewayFailure: setting(
      "consecutive_gateway_failure",
      config.consecutiveGatewayFailure,
      5,
    ),
    consecutiveLocalOriginFailure: setting(
      "consecutive_local_origin_failure",
      config.consecutiveLocalOriginFailure,
      5,
    ),
  };
}

function compileFailurePercentage(
  config: OutlierDetectionJson,
): OutlierSettings["failurePercentage"] {
  const { failurePercentageMinimumHosts, failurePercentageRequestVolume } = config;
  return {
    threshold: setting("failure_percentage_threshold", config.failurePercentageThreshold, 85),
    minimumHosts: setting("failure_percentage_minimum_hosts", failurePercentageMinimumHosts, 5),
    requestVolume: setting("failure_percentage_request_volume", failurePercentageRequestVolume, 50),
  };
}

function compileEnforcing(config: OutlierDetectionJson): OutlierSettings["enforcing"] {
  const enforcing = (name: string, configured: number | undefined, absent: number): Setting =>
    setting(`enforcing_${name}`, configured, absent);
  return {
    CONSECUTIVE_5XX: enforcing("consecutive_5xx", config.enforcingConsecutive5xx, 100),
    CONSECUTIVE_GATEWAY_FAILURE: enforcing(
      "consecutive_gateway_failure",
      config.enforcingConsecutiveGatewayFailure,
      0,
    ),
    SUCCESS_RATE: enforcing("success_rate", config.enforcingSuccessRate, 100),
    CONSECUTIVE_LOCAL_ORIGIN_FAILURE: enforcing(
      "consecutive_local_origin_failure",
      config.enforcingConsecutiveLocalOriginFailure,
      100,
    ),
    SUCCESS_RATE_LOCAL_ORIGIN: enforcing(
      "local_origin_success_rate",
      config.enforcingLocalOriginSuccessRate,
      100,
    ),
    FAILURE_PERCENTAGE: enforcing("failure_percentage", config.enforcingFailurePercentage, 0),
    FAILURE_PERCENTAGE_LOCAL_ORIGIN: enforcing(
      "failure_percentage_local_origin",
      config.enforcingFailurePercentageLocalOrigin,
      0,
    ),
  };
}
