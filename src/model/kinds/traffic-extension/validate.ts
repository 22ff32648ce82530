import type { TrafficExtensionJson } from "#gen/istio/extensions/v1alpha1/traffic_extension_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<TrafficExtensionJson>, _report: Report): void {}
