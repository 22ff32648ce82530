import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";
import { checkWorkload } from "./workload.ts";

export function validate({ spec }: Validated<WorkloadEntryJson>, report: Report): void {
  checkWorkload(spec, report.at("spec"), { ports: undefined, names: true, optional: false });
}
