import type { RequestAuthenticationJson } from "#gen/istio/security/v1beta1/request_authentication_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<RequestAuthenticationJson>, _report: Report): void {}
