export const supported = {
  "envoy.extensions.filters.http.buffer.v3.Buffer": ["max_request_bytes"],
  "envoy.extensions.filters.http.buffer.v3.BufferPerRoute": ["disabled", "buffer"],
} as const;
