import type { SidecarJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<SidecarJson>, _report: Report): void {}
