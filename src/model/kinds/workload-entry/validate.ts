import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<WorkloadEntryJson>, _report: Report): void {}
