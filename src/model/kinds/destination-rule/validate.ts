import type { DestinationRuleJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<DestinationRuleJson>, _report: Report): void {}
