import type { PeerAuthenticationJson } from "#gen/istio/security/v1beta1/peer_authentication_pb.js";
import { portProblem } from "../checks.ts";
import type { Validated } from "../kind.ts";
import { checkSelector } from "../policy.ts";
import type { Report } from "../report.ts";

export function validate({ spec }: Validated<PeerAuthenticationJson>, report: Report): void {
  const here = report.at("spec");
  const { selector, portLevelMtls } = spec;
  checkSelector(selector, here.at("selector"));
  const ports = Object.keys(portLevelMtls ?? {});
  const selects = Object.keys(selector?.matchLabels ?? {}).length > 0;
  if (ports.length > 0 && !selects) {
    here.at("portLevelMtls").problem("needs a selector: ports are a workload's");
  }
  for (const port of ports) here.at("portLevelMtls", port).check(portProblem(Number(port)));
}
