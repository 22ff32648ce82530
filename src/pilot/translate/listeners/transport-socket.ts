import type { TransportSocketJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { DownstreamTlsContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { packed } from "../any.ts";

export function tlsTransportSocket(context: DownstreamTlsContextJson): TransportSocketJson {
  return {
    name: "envoy.transport_sockets.tls",
    typedConfig: packed("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", context),
  };
}
