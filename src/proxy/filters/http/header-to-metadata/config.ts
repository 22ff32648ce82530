import type { ConfigJson } from "#gen/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import type { Services } from "../../../services.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { HeaderToMetadata, type RuleSet } from "./header-to-metadata.ts";
import { compileRule } from "./rule.ts";
import { RuleStats } from "./stats.ts";

const type = "envoy.extensions.filters.http.header_to_metadata.v3.Config";

// The loader checked each configuration against the descriptor of this very type.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.header_to_metadata",
  configType: type,
  routeConfigType: type,
  compile(config, { services, filterName }) {
    const filter = new HeaderToMetadata(filterName, compileRules(config as ConfigJson, services));
    return () => filter;
  },
  compileRoute(config, services) {
    const rules = compileRules(config as ConfigJson, services);
    if (rules.request.length === 0 && rules.response.length === 0)
      throw refuse(
        "",
        "header_to_metadata_filter: Per filter configs must at least specify either request or response rules",
      );
    return rules;
  },
};

function compileRules(config: ConfigJson, { stats }: Services): RuleSet {
  const { requestRules, responseRules, statPrefix = "" } = config;
  // Envoy's own name for these counters, whatever the connection manager and the filter are called.
  const scope = statPrefix === "" ? undefined : stats.scope(`http_filter_name.${statPrefix}.`);
  return {
    request: compileEach("request_rules", requestRules, compileRule),
    response: compileEach("response_rules", responseRules, compileRule),
    requestStats: scope === undefined ? undefined : new RuleStats(scope, "request"),
    responseStats: scope === undefined ? undefined : new RuleStats(scope, "response"),
  };
}
