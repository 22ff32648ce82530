import type { VirtualServiceJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<VirtualServiceJson>, _report: Report): void {}
