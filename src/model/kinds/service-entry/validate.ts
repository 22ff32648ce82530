import type { ServiceEntryJson } from "#gen/istio/networking/v1alpha3/service_entry_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<ServiceEntryJson>, _report: Report): void {}
