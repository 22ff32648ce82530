export const supported = {
  "envoy.extensions.filters.http.set_filter_state.v3.Config": ["on_request_headers"],
} as const;
