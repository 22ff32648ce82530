export const supported = {
  "envoy.extensions.filters.network.direct_response.v3.Config": ["response"],
} as const;
