import type { HttpFilterFactory } from "../filter.ts";
import { GrpcWeb } from "./grpc-web.ts";

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.grpc_web",
  configType: "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
  compile: () => () => new GrpcWeb(),
};
