import type { TelemetryJson } from "#gen/istio/telemetry/v1alpha1/telemetry_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<TelemetryJson>, _report: Report): void {}
