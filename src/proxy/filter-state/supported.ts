export const supported = {
  "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue": [
    "object_key",
    "factory_key",
    "format_string",
    // As in Envoy 1.40, where the next one to set the key wins all the same.
    "read_only",
    "skip_if_empty",
  ],
} as const;
