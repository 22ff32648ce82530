import type { FilterConfigJson } from "#gen/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { NetworkFilterFactory } from "../filter.ts";
import { SniDynamicForwardProxy } from "./sni-dynamic-forward-proxy.ts";

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.sni_dynamic_forward_proxy",
  configType: "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
  compile(config, { services }) {
    // The loader checked it against the descriptor of the type that is named here.
    const { dnsCacheConfig, portValue: port = 0 } = config as FilterConfigJson;
    if (port > 65_535) throw refuse("port_value", "must be at most 65535");
    const cache = services.dnsCaches.get(dnsCacheConfig, services);
    return (stream) => new SniDynamicForwardProxy({ cache, port }, stream);
  },
};
