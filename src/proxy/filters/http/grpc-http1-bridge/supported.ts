export const supported = {
  "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config": [
    "upgrade_protobuf_to_grpc",
    "ignore_query_parameters",
  ],
} as const;
