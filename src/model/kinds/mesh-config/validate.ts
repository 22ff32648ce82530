import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<MeshConfigJson>, _report: Report): void {}
