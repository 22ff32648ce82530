import type {
  RBACJson,
  RBACPerRouteJson,
} from "#gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js";
import { within } from "#lib/config-error.ts";
import { compileRules } from "../../../rbac/engine.ts";
import type { FilterContext, HttpFilterFactory } from "../filter.ts";
import { RbacFilter, type RbacSettings, RbacStats } from "./rbac.ts";

/** A configuration without its stats: those are the chain's, also when a route overrides the rules. */
function compileSettings(config: RBACJson): RbacSettings {
  const { rules, shadowRules } = config;
  return {
    rules: rules === undefined ? undefined : within("rules", () => compileRules(rules)),
    shadowRules:
      shadowRules === undefined
        ? undefined
        : within("shadow_rules", () => compileRules(shadowRules)),
    shadowPrefix: config.shadowRulesStatPrefix ?? "",
  };
}

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.rbac",
  configType: "envoy.extensions.filters.http.rbac.v3.RBAC",
  routeConfigType: "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
  compile(config, context: FilterContext) {
    const typed = config as RBACJson;
    const settings = compileSettings(typed);
    const stats = new RbacStats(context.scope, {
      rulesPrefix: typed.rulesStatPrefix ?? "",
      shadowPrefix: settings.shadowPrefix,
      perRule: typed.trackPerRuleStats === true,
    });
    // Without state of its own for a stream: one object serves all.
    const filter = new RbacFilter(settings, stats, context.filterName);
    return () => filter;
  },
  compileRoute(config): RbacSettings {
    const { rbac } = config as RBACPerRouteJson;
    // An empty override turns the filter off on this route.
    if (rbac === undefined) return { rules: undefined, shadowRules: undefined, shadowPrefix: "" };
    return within("rbac", () => compileSettings(rbac));
  },
};
