import type { WorkloadGroupJson } from "#gen/istio/networking/v1alpha3/workload_group_pb.js";
import type { Validated } from "../kind.ts";
import { checkLabels } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkWorkload } from "../workload-entry/workload.ts";
import { checkProbe } from "./probe.ts";

export function validate({ spec }: Validated<WorkloadGroupJson>, report: Report): void {
  const here = report.at("spec");
  const { template, probe } = spec;
  checkLabels(spec.metadata?.labels, here.at("metadata", "labels"));
  if (template === undefined) here.at("template").problem("is required");
  else {
    const context = { ports: undefined, names: true, optional: true };
    checkWorkload(template, here.at("template"), context);
    warnOfOwn(template, here.at("template"));
  }
  if (probe !== undefined) checkProbe(probe, here.at("probe"));
}

/** Each workload has its own address; labels are in `metadata`. */
function warnOfOwn(template: NonNullable<WorkloadGroupJson["template"]>, report: Report): void {
  if (template.address) report.at("address").warning("is ignored: each workload brings its own");
  if (template.labels !== undefined) report.at("labels").warning("is ignored; use metadata.labels");
}
