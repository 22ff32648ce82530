export const supported = {
  "envoy.extensions.filters.http.csrf.v3.CsrfPolicy": [
    "filter_enabled",
    "shadow_enabled",
    "additional_origins",
  ],
} as const;
