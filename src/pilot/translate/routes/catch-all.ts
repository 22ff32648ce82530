import type { VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { decidedBy, type Rule } from "../../provenance.ts";
import type { OutboundScope } from "../../view.ts";
import { outboundTrafficPolicy } from "../outbound-traffic-policy.ts";
import { timeouts } from "./action.ts";

/** Hosts that no service has: `allow_any` lets them pass, `block_all` answers 502. */
export function catchAllVirtualHost(
  scope: OutboundScope,
  flags: Pick<VirtualHostJson, "includeRequestAttemptCount">,
): VirtualHostJson {
  const { httpCluster: cluster } = outboundTrafficPolicy(scope);
  const name = cluster === undefined ? "block_all" : "allow_any";
  const action =
    cluster === undefined
      ? { directResponse: { status: 502 } }
      : { route: { cluster, ...timeouts() } };
  const rules = policyRules(scope);
  const route = decidedBy({ name, match: { prefix: "/" }, ...action }, ...rules);
  return decidedBy({ name, domains: ["*"], routes: [route], ...flags }, ...rules);
}

function policyRules({ sidecar }: OutboundScope): readonly Rule[] {
  return sidecar?.spec.outboundTrafficPolicy
    ? [{ object: sidecar, keys: ["spec", "outboundTrafficPolicy"] }]
    : [];
}
