export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport": [
    "config",
    "transport_socket",
    "tlv_as_pool_key",
  ],
  "envoy.config.core.v3.ProxyProtocolConfig": ["version", "pass_through_tlvs", "added_tlvs"],
  "envoy.config.core.v3.TlvEntry": ["type", "value", "format_string"],
};
