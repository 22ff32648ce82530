export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol": [
    "rules",
    "allow_requests_without_proxy_protocol",
    "disallowed_versions",
    "stat_prefix",
    "pass_through_tlvs",
    "tlv_location",
  ],
  "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule": [
    "tlv_type",
    "on_tlv_present",
  ],
  "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair": [
    "metadata_namespace",
    "key",
  ],
  "envoy.config.core.v3.ProxyProtocolPassThroughTLVs": ["match_type", "tlv_type"],
};
