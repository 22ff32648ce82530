export const supported = {
  "envoy.extensions.filters.http.compressor.v3.Compressor": [
    "content_length",
    "content_type",
    "disable_on_etag_header",
    "remove_accept_encoding_header",
    "runtime_enabled",
    "compressor_library",
    "request_direction_config",
    "response_direction_config",
    "choose_first",
  ],
  "envoy.extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig": [
    "enabled",
    "min_content_length",
    "content_type",
  ],
  "envoy.extensions.filters.http.compressor.v3.Compressor.RequestDirectionConfig": [
    "common_config",
  ],
  "envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig": [
    "common_config",
    "disable_on_etag_header",
    "remove_accept_encoding_header",
    "uncompressible_response_codes",
    "status_header_enabled",
  ],
  "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute": ["disabled", "overrides"],
  "envoy.extensions.filters.http.compressor.v3.CompressorOverrides": [
    "response_direction_config",
    "compressor_library",
  ],
  "envoy.extensions.filters.http.compressor.v3.ResponseDirectionOverrides": [
    "remove_accept_encoding_header",
  ],
} as const;
