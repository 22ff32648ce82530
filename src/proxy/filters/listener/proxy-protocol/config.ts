import type { ProxyProtocolJson } from "#gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js";
import { compilePassThrough } from "../../../proxy-protocol/upstream.ts";
import type { ListenerFilterFactory } from "../filter.ts";
import { ProxyProtocol, type TlvRule } from "./proxy-protocol.ts";

const defaultNamespace = "envoy.filters.listener.proxy_protocol";

export const factory: ListenerFilterFactory = {
  name: "envoy.filters.listener.proxy_protocol",
  configType: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
  compile(config, { stats }) {
    const typed = config as ProxyProtocolJson;
    const prefix =
      typed.statPrefix === undefined || typed.statPrefix === "" ? "" : `${typed.statPrefix}.`;
    const filter = new ProxyProtocol({
      rules: compileRules(typed),
      rulesTarget: typed.tlvLocation === "FILTER_STATE" ? "FILTER_STATE" : "DYNAMIC_METADATA",
      allowWithout: typed.allowRequestsWithoutProxyProtocol === true,
      disallowed: new Set(
        (typed.disallowedVersions ?? []).map((version) => (version === "V2" ? 2 : 1)),
      ),
      passes: compilePassThrough(typed.passThroughTlvs),
      scope: stats.scope(`proxy_proto.${prefix}`),
    });
    return () => filter;
  },
};

function compileRules(config: ProxyProtocolJson): ReadonlyMap<number, TlvRule> {
  const rules = new Map<number, TlvRule>();
  for (const { tlvType = 0, onTlvPresent } of config.rules ?? []) {
    const given = onTlvPresent?.metadataNamespace ?? "";
    const namespace = given === "" ? defaultNamespace : given;
    rules.set(tlvType, { namespace, key: onTlvPresent?.key ?? "" });
  }
  return rules;
}
