import type {
  FilterConfigJson,
  PerRouteConfigJson,
} from "#gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.js";
import { byteText } from "../../../matching/byte-text.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { DynamicForwardProxy, type HostRewrite } from "./dynamic-forward-proxy.ts";

// The loader checked each configuration against the descriptor of the type that is named here.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.dynamic_forward_proxy",
  configType: "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
  routeConfigType: "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig",
  compile(config, { services, filterName }) {
    const { dnsCacheConfig } = config as FilterConfigJson;
    const shared = {
      services,
      filterName,
      cache: services.dnsCaches.get(dnsCacheConfig, services),
    };
    return (stream) => new DynamicForwardProxy(shared, stream);
  },
  compileRoute(config): HostRewrite {
    const { hostRewriteLiteral = "", hostRewriteHeader = "" } = config as PerRouteConfigJson;
    return {
      literal: byteText(hostRewriteLiteral),
      header: byteText(hostRewriteHeader).toLowerCase(),
    };
  },
};
