export const supported = {
  "envoy.extensions.filters.http.decompressor.v3.Decompressor": [
    "decompressor_library",
    "request_direction_config",
    "response_direction_config",
  ],
  "envoy.extensions.filters.http.decompressor.v3.Decompressor.CommonDirectionConfig": [
    "enabled",
    "ignore_no_transform_header",
  ],
  "envoy.extensions.filters.http.decompressor.v3.Decompressor.RequestDirectionConfig": [
    "common_config",
    "advertise_accept_encoding",
  ],
  "envoy.extensions.filters.http.decompressor.v3.Decompressor.ResponseDirectionConfig": [
    "common_config",
  ],
} as const;
