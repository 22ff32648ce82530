import type { AuthorizationPolicyJson } from "#gen/istio/security/v1beta1/authorization_policy_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<AuthorizationPolicyJson>, _report: Report): void {}
