export const supported = {
  "envoy.extensions.filters.http.set_metadata.v3.Config": [
    "metadata_namespace",
    "value",
    "metadata",
  ],
  "envoy.extensions.filters.http.set_metadata.v3.Metadata": [
    "metadata_namespace",
    "allow_overwrite",
    "value",
  ],
} as const;
