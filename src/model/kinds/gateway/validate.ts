import type { GatewayJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<GatewayJson>, _report: Report): void {}
