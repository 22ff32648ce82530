import type {
  PermissionJson,
  PrincipalJson,
  RBACJson as RulesJson,
} from "#gen/envoy/config/rbac/v3/rbac_pb.js";
import type { RBACJson } from "#gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileEnforcer, RbacStats } from "../../../rbac/enforcer.ts";
import type { NetworkFilterContext, NetworkFilterFactory } from "../filter.ts";
import { NetworkRbac, type NetworkRbacSettings } from "./rbac.ts";

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.rbac",
  configType: "envoy.extensions.filters.network.rbac.v3.RBAC",
  compile(config, context) {
    // The loader checked it against the descriptor of this very type.
    const settings = compileSettings(config as RBACJson, context);
    return (stream) => new NetworkRbac(settings, stream);
  },
};

function compileSettings(
  config: RBACJson,
  { services }: NetworkFilterContext,
): NetworkRbacSettings {
  within("rules", () => refuseHeaders(config.rules));
  within("shadow_rules", () => refuseHeaders(config.shadowRules));
  const stats = new RbacStats(services.stats.scope(`${config.statPrefix ?? ""}.`), {
    rulesPrefix: "",
    shadowPrefix: config.shadowRulesStatPrefix ?? "",
    perRule: false,
  });
  return {
    enforcer: compileEnforcer(config, "tcp"),
    stats,
    continuous: config.enforcementType === "CONTINUOUS",
    delay: services.timers.of(within("delay_deny", () => durationMs(config.delayDeny, 0))),
  };
}

/** A connection has no headers; Envoy looks no further into rules than this. */
function refuseHeaders(config: RulesJson | undefined): void {
  for (const [name, { permissions = [], principals = [] }] of Object.entries(
    config?.policies ?? {},
  )) {
    if (permissions.some(permissionHasHeader))
      throw refuse(`policies.${name}.permissions`, "Found header rule in an RBAC network filter");
    if (principals.some(principalHasHeader))
      throw refuse(`policies.${name}.principals`, "Found header rule in an RBAC network filter");
  }
}

function permissionHasHeader({ header, andRules, orRules, notRule }: PermissionJson): boolean {
  const nested = [...(andRules?.rules ?? []), ...(orRules?.rules ?? [])];
  if (notRule !== undefined) nested.push(notRule);
  return header !== undefined || nested.some(permissionHasHeader);
}

function principalHasHeader({ header, andIds, orIds, notId }: PrincipalJson): boolean {
  const nested = [...(andIds?.ids ?? []), ...(orIds?.ids ?? [])];
  if (notId !== undefined) nested.push(notId);
  return header !== undefined || nested.some(principalHasHeader);
}
