import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";
import type { EjectionType } from "./config.ts";

/** Names of the counters of a type, as Envoy has them. */
const words: Readonly<Record<EjectionType, string>> = {
  CONSECUTIVE_5XX: "consecutive_5xx",
  CONSECUTIVE_GATEWAY_FAILURE: "consecutive_gateway_failure",
  SUCCESS_RATE: "success_rate",
  CONSECUTIVE_LOCAL_ORIGIN_FAILURE: "consecutive_local_origin_failure",
  SUCCESS_RATE_LOCAL_ORIGIN: "local_origin_success_rate",
  FAILURE_PERCENTAGE: "failure_percentage",
  FAILURE_PERCENTAGE_LOCAL_ORIGIN: "local_origin_failure_percentage",
};

/** `cluster.NAME.outlier_detection.` */
export class DetectorStats {
  readonly active: Gauge;
  readonly overflow: Counter;
  readonly enforcedTotal: Counter;
  readonly detectedDegradation: Counter;
  readonly detected: Readonly<Record<EjectionType, Counter>>;
  readonly enforced: Readonly<Record<EjectionType, Counter>>;
  /** Deprecated, and still counted by Envoy: detected ejections, whether enforced or not. */
  readonly total: Counter;
  readonly consecutive5xx: Counter;
  readonly successRate: Counter;

  constructor(cluster: StatsScope) {
    const scope = cluster.scope("outlier_detection.");
    this.active = scope.gauge("ejections_active");
    this.overflow = scope.counter("ejections_overflow");
    this.enforcedTotal = scope.counter("ejections_enforced_total");
    this.detectedDegradation = scope.counter("ejections_detected_degradation");
    this.detected = counters(scope, "detected");
    this.enforced = counters(scope, "enforced");
    this.total = scope.counter("ejections_total");
    this.consecutive5xx = scope.counter("ejections_consecutive_5xx");
    this.successRate = scope.counter("ejections_success_rate");
  }
}

function counters(
  scope: StatsScope,
  verb: "detected" | "enforced",
): Readonly<Record<EjectionType, Counter>> {
  const of = (type: EjectionType): Counter => scope.counter(`ejections_${verb}_${words[type]}`);
  return {
    CONSECUTIVE_5XX: of("CONSECUTIVE_5XX"),
    CONSECUTIVE_GATEWAY_FAILURE: of("CONSECUTIVE_GATEWAY_FAILURE"),
    SUCCESS_RATE: of("SUCCESS_RATE"),
    CONSECUTIVE_LOCAL_ORIGIN_FAILURE: of("CONSECUTIVE_LOCAL_ORIGIN_FAILURE"),
    SUCCESS_RATE_LOCAL_ORIGIN: of("SUCCESS_RATE_LOCAL_ORIGIN"),
    FAILURE_PERCENTAGE: of("FAILURE_PERCENTAGE"),
    FAILURE_PERCENTAGE_LOCAL_ORIGIN: of("FAILURE_PERCENTAGE_LOCAL_ORIGIN"),
  };
}
