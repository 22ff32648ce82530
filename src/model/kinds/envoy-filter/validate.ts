import type { EnvoyFilterJson } from "#gen/istio/networking/v1alpha3/envoy_filter_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<EnvoyFilterJson>, _report: Report): void {}
