import type { Clock } from "#lib/clock.ts";
import type { AccessLogSink } from "../access-log/sinks.ts";
import type { EjectionType } from "./config.ts";
import type { SuccessRateThreshold } from "./success-rates.ts";
import type { WatchedHost } from "./watched-host.ts";

/** envoy.data.cluster.v3.OutlierDetectionEvent, a JSON object a line. */
export class OutlierEventLog {
  readonly #sink: AccessLogSink;
  readonly #clock: Clock;

  constructor(sink: AccessLogSink, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  eject(
    cluster: string,
    host: WatchedHost,
    event: {
      readonly type: EjectionType | "DEGRADED";
      readonly enforced: boolean;
      readonly threshold: SuccessRateThreshold;
    },
  ): void {
    const { type, enforced } = event;
    this.#write({
      type,
      ...this.#common(cluster, host, host.ejection.endedAtMs),
      action: "EJECT",
      num_ejections: host.ejection.count,
      enforced,
      ...details(type, host, event.threshold),
    });
  }

  /** The end of an ejection, and of a degradation. */
  uneject(cluster: string, host: WatchedHost): void {
    this.#write({
      // The type is not known any more: Envoy writes the first one.
      type: "CONSECUTIVE_5XX",
      ...this.#common(cluster, host, host.ejection.beganAtMs),
      action: "UNEJECT",
      num_ejections: host.ejection.count,
      enforced: false,
    });
  }

  #common(cluster: string, host: WatchedHost, lastMs: number | undefined): object {
    const since = lastMs === undefined ? undefined : this.#clock.monotonicMs() - lastMs;
    return {
      timestamp: new Date(this.#clock.wallMs()).toISOString(),
      ...(since === undefined ? {} : { secs_since_last_action: String(Math.floor(since / 1000)) }),
      cluster_name: cluster,
      upstream_url: host.addressText,
    };
  }

  #write(event: object): void {
    this.#sink.write(`${JSON.stringify(event)}\n`);
  }
}

function details(
  type: EjectionType | "DEGRADED",
  { successRate }: WatchedHost,
  { average, threshold }: SuccessRateThreshold,
): object {
  switch (type) {
    case "SUCCESS_RATE":
    case "SUCCESS_RATE_LOCAL_ORIGIN":
      return {
        eject_success_rate_event: {
          host_success_rate: whole(successRate[originOf(type)]),
          cluster_average_success_rate: whole(average),
          cluster_success_rate_ejection_threshold: whole(threshold),
        },
      };
    case "FAILURE_PERCENTAGE":
    case "FAILURE_PERCENTAGE_LOCAL_ORIGIN":
      return {
        eject_failure_percentage_event: { host_success_rate: whole(successRate[originOf(type)]) },
      };
    default:
      return { eject_consecutive_event: {} };
  }
}

function originOf(type: EjectionType): "local" | "external" {
  return type.endsWith("LOCAL_ORIGIN") ? "local" : "external";
}

/** The event's rates are uint32. */
function whole(rate: number): number {
  return Math.max(0, Math.floor(rate));
}
