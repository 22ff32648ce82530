import type { ConfigJson } from "#gen/envoy/extensions/filters/http/grpc_http1_bridge/v3/config_pb.js";
import type { HttpFilterFactory } from "../filter.ts";
import { GrpcHttp1Bridge } from "./grpc-http1-bridge.ts";

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.grpc_http1_bridge",
  configType: "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config",
  compile(config) {
    // The loader checked it against the descriptor of this very type.
    const { upgradeProtobufToGrpc = false, ignoreQueryParameters = false } = config as ConfigJson;
    const settings = { upgradesProtobuf: upgradeProtobufToGrpc, dropsQuery: ignoreQueryParameters };
    return () => new GrpcHttp1Bridge(settings);
  },
};
