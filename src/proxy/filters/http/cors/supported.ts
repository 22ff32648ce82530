const policy: readonly string[] = [
  "allow_origin_string_match",
  "allow_methods",
  "allow_headers",
  "expose_headers",
  "max_age",
  "allow_credentials",
  "filter_enabled",
  "shadow_enabled",
  "allow_private_network_access",
  "forward_not_matching_preflights",
];

export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.filters.http.cors.v3.Cors": [],
  "envoy.extensions.filters.http.cors.v3.CorsPolicy": policy,
  // The same in the older `cors` fields of routes and virtual hosts.
  "envoy.config.route.v3.CorsPolicy": policy,
};
