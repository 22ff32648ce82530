export const supported = {
  "envoy.extensions.filters.network.set_filter_state.v3.Config": ["on_new_connection"],
} as const;
