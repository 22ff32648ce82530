import type {
  DestinationRuleJson,
  SubsetJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { reportDuplicates } from "../checks.ts";
import { isLabel, wildcardHostProblem } from "../hosts.ts";
import type { Validated } from "../kind.ts";
import { checkExportTo, checkLabels, checkSelector } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkTrafficPolicy } from "./traffic-policy.ts";

export function validate({ metadata, spec }: Validated<DestinationRuleJson>, report: Report): void {
  const here = report.at("spec");
  const { host = "", subsets = [], workloadSelector } = spec;
  here.at("host").check(host === "" ? "is required" : wildcardHostProblem(host));
  checkTrafficPolicy(spec.trafficPolicy, here.at("trafficPolicy"));
  for (const [index, subset] of subsets.entries()) checkSubset(subset, here.at("subsets", index));
  reportDuplicates(here.at("subsets"), subsets, {
    key: ({ name }) => name,
    message: (name) => `there is a subset "${name}" already`,
  });
  checkSelector(workloadSelector, here.at("workloadSelector"));
  checkExportTo(spec.exportTo, here.at("exportTo"), {
    namespace: metadata.namespace,
    none: false,
    ownOnly: workloadSelector !== undefined,
  });
}

function checkSubset(subset: SubsetJson, report: Report): void {
  const { name = "" } = subset;
  if (name === "") report.at("name").problem("is required");
  else if (!isLabel(name)) report.at("name").problem(`"${name}" is not a subset's name`);
  checkLabels(subset.labels, report.at("labels"));
  checkTrafficPolicy(subset.trafficPolicy, report.at("trafficPolicy"));
}
