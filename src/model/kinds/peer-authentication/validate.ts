import type { PeerAuthenticationJson } from "#gen/istio/security/v1beta1/peer_authentication_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<PeerAuthenticationJson>, _report: Report): void {}
