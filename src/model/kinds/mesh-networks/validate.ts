import type { MeshNetworksJson } from "#gen/istio/mesh/v1alpha1/network_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<MeshNetworksJson>, _report: Report): void {}
