import type { CorsPolicyJson } from "#gen/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import type { HttpFilterFactory } from "../filter.ts";
import { CorsFilter, type CorsShared } from "./cors.ts";
import { compilePolicy, PolicyStacks } from "./policy.ts";

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.cors",
  configType: "envoy.extensions.filters.http.cors.v3.Cors",
  routeConfigType: "envoy.extensions.filters.http.cors.v3.CorsPolicy",
  compile(_config, { scope, filterName }) {
    const shared: CorsShared = {
      filterName,
      stacks: new PolicyStacks(),
      originValid: scope.counter("cors.origin_valid"),
      originInvalid: scope.counter("cors.origin_invalid"),
    };
    return () => new CorsFilter(shared);
  },
  // The loader checked it against the descriptor of this very type, or of the route's, which has the same fields.
  compileRoute: (config, services) => compilePolicy(config as CorsPolicyJson, services),
};
