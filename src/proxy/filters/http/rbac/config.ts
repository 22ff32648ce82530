import type {
  RBACJson,
  RBACPerRouteJson,
} from "#gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js";
import { within } from "#lib/config-error.ts";
import { compileEnforcer, type Enforcer, RbacStats } from "../../../rbac/enforcer.ts";
import type { FilterContext, HttpFilterFactory } from "../filter.ts";
import { RbacFilter } from "./rbac.ts";

// The loader checked each configuration against the descriptor of the type that is named here.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.rbac",
  configType: "envoy.extensions.filters.http.rbac.v3.RBAC",
  routeConfigType: "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
  compile(config, context: FilterContext) {
    const typed = config as RBACJson;
    // The chain's, also when a route overrides the rules.
    const stats = new RbacStats(context.scope, {
      rulesPrefix: typed.rulesStatPrefix ?? "",
      shadowPrefix: typed.shadowRulesStatPrefix ?? "",
      perRule: typed.trackPerRuleStats === true,
    });
    // Without state of its own for a stream: one object serves all.
    const filter = new RbacFilter(compileEnforcer(typed, "http"), stats, context.filterName);
    return () => filter;
  },
  compileRoute(config): Enforcer {
    const { rbac } = config as RBACPerRouteJson;
    // An empty override turns the filter off on this route.
    if (rbac === undefined) return compileEnforcer({}, "http");
    return within("rbac", () => compileEnforcer(rbac, "http"));
  },
};
