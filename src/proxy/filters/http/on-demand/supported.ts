export const supported = {
  "envoy.extensions.filters.http.on_demand.v3.OnDemand": [],
  "envoy.extensions.filters.http.on_demand.v3.PerRouteConfig": [],
} as const;
