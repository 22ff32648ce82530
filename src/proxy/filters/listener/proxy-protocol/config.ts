import type { ProxyProtocolJson } from "#gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js";
import type { ListenerFilterFactory } from "../filter.ts";
import { ProxyProtocol, type TlvRule } from "./proxy-protocol.ts";

const defaultNamespace = "envoy.filters.listener.proxy_protocol";

export const factory: ListenerFilterFactory = {
  name: "envoy.filters.listener.proxy_protocol",
  configType: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
  compile(config, { stats }) {
    const typed = config as ProxyProtocolJson;
    const rules = new Map<number, TlvRule>();
    for (const rule of typed.rules ?? []) {
      const target = rule.onTlvPresent;
      const namespace =
        target?.metadataNamespace === undefined || target.metadataNamespace === ""
          ? defaultNamespace
          : target.metadataNamespace;
      rules.set(rule.tlvType ?? 0, { namespace, key: target?.key ?? "" });
    }
    const prefix =
      typed.statPrefix === undefined || typed.statPrefix === "" ? "" : `${typed.statPrefix}.`;
    const filter = new ProxyProtocol({
      rules,
      allowWithout: typed.allowRequestsWithoutProxyProtocol === true,
      disallowed: new Set(
        (typed.disallowedVersions ?? []).map((version) => (version === "V2" ? 2 : 1)),
      ),
      scope: stats.scope(`proxy_proto.${prefix}`),
    });
    return () => filter;
  },
};
