export const supported = {
  "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb": [],
} as const;
