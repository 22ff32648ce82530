import { refuse } from "#lib/config-error.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";
import type { FilterContext, HttpFilterFactory } from "../filter.ts";
import { RedirectCounters } from "./internal-redirect.ts";
import { Router, type RouterSettings } from "./router.ts";

interface RouterConfig {
  readonly dynamicStats?: boolean;
  readonly suppressEnvoyHeaders?: boolean;
  readonly respectExpectedRqTimeout?: boolean;
  readonly strictCheckHeaders?: readonly string[];
}

const strictCheckable: ReadonlySet<string> = new Set([
  "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-max-retries",
  "x-envoy-retry-grpc-on",
  "x-envoy-retry-on",
]);

function compileSettings(config: RouterConfig, context: FilterContext): RouterSettings {
  for (const [index, name] of (config.strictCheckHeaders ?? []).entries()) {
    if (!strictCheckable.has(name))
      throw refuse(`strict_check_headers[${index}]`, `${name} cannot be checked`);
  }
  return {
    services: context.services,
    scope: context.scope,
    noRoute: context.scope.counter("no_route"),
    noCluster: context.scope.counter("no_cluster"),
    directResponse: context.scope.counter("rq_direct_response"),
    requests: context.scope.counter("rq_total"),
    redirects: new RedirectCounters(context.scope),
    envoyHeaders: config.suppressEnvoyHeaders !== true,
    dynamicStats: config.dynamicStats !== false,
    respectExpectedTimeout: config.respectExpectedRqTimeout === true,
    strictHeaders: config.strictCheckHeaders ?? [],
  };
}

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.router",
  configType: "envoy.extensions.filters.http.router.v3.Router",
  terminal: true,
  compile(config, context) {
    const settings = compileSettings(config as RouterConfig, context);
    // The router is part of the connection manager: it needs the response side of the stream, which filters do not see.
    return (stream) => new Router(settings, stream as ActiveStream);
  },
};
