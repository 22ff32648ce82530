import type { CsrfPolicyJson } from "#gen/envoy/extensions/filters/http/csrf/v3/csrf_pb.js";
import { compileEach } from "#lib/config-error.ts";
import { compileStringMatcher } from "../../../matching/string-matcher.ts";
import { compileRuntimeFraction } from "../../../runtime-fraction.ts";
import type { Services } from "../../../services.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { CsrfFilter, type CsrfPolicy } from "./csrf.ts";

const type = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy";

// The loader checked each configuration against the descriptor of this very type.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.csrf",
  configType: type,
  routeConfigType: type,
  compile(config, { services, scope, filterName }) {
    const filter = new CsrfFilter({
      filterName,
      policy: compilePolicy(config as CsrfPolicyJson, services),
      requestValid: scope.counter("csrf.request_valid"),
      requestInvalid: scope.counter("csrf.request_invalid"),
      missingSourceOrigin: scope.counter("csrf.missing_source_origin"),
    });
    return () => filter;
  },
  compileRoute: (config, services) => compilePolicy(config as CsrfPolicyJson, services),
};

function compilePolicy(config: CsrfPolicyJson, { runtime, random }: Services): CsrfPolicy {
  const { filterEnabled = {}, shadowEnabled = {}, additionalOrigins } = config;
  const enabled = compileRuntimeFraction(filterEnabled, runtime);
  const shadow = compileRuntimeFraction(shadowEnabled, runtime);
  const origins = compileEach("additional_origins", additionalOrigins, compileStringMatcher);
  return {
    enabled: () => enabled(random.unit()),
    shadowEnabled: () => shadow(random.unit()),
    allows: (origin) => origins.some((matches) => matches(origin)),
  };
}
