import type { WorkloadGroupJson } from "#gen/istio/networking/v1alpha3/workload_group_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<WorkloadGroupJson>, _report: Report): void {}
