import type { HttpFilter, HttpFilterFactory } from "../filter.ts";

/**
 * Envoy's filter waits for virtual hosts (VHDS) or clusters (`odcds`) that a control plane is asked for when a request needs them. Where
 * routes stand in the configuration and `odcds` is not there, which is refused by name, nothing can be asked for: a request goes on as it came.
 */
const passing: HttpFilter = {};

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.on_demand",
  configType: "envoy.extensions.filters.http.on_demand.v3.OnDemand",
  routeConfigType: "envoy.extensions.filters.http.on_demand.v3.PerRouteConfig",
  compile: () => () => passing,
  compileRoute: () => passing,
};
